"""The official connector of before 2025: REST and a socket that subscribes to the listenKey."""

import json

from binance.um_futures import UMFutures
from binance.websocket.um_futures.websocket_client import UMFuturesWebsocketClient

import story
from story import SYMBOL, passed

events = []


def hear(_, message):
    events.append(json.loads(message))


def filled(order):
    for event in events:
        body = event.get("o", {})
        if event.get("e") == "ORDER_TRADE_UPDATE" and body["i"] == order and body["X"] == "FILLED":
            return body
    return None


def main():
    client = UMFutures(key=story.KEY, secret=story.SECRET, base_url=story.REST)
    rules = client.exchange_info()
    passed("markets", SYMBOL in [row["symbol"] for row in rules["symbols"]], rules)
    usdt = next(row for row in client.balance() if row["asset"] == "USDT")
    passed("balance", float(usdt["availableBalance"]) == 10000, usdt)
    client.account()
    client.get_position_risk()
    client.leverage_brackets()
    client.klines(SYMBOL, "1m", limit=5)
    client.depth(SYMBOL)

    client.change_leverage(symbol=SYMBOL, leverage=story.LEVERAGE)
    passed("leverage", story.setting()["leverage"] == story.LEVERAGE, story.setting())
    client.change_margin_type(symbol=SYMBOL, marginType="ISOLATED")
    passed("margin type", story.setting()["isolated"], story.setting())

    price = story.below(client.ticker_price(SYMBOL)["price"])
    order = client.new_order(
        symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity=0.01, price=price
    )
    passed("limit order", float(story.orders()[0]["price"]) == price, order)
    client.modify_order(SYMBOL, "BUY", 0.02, price, orderId=order["orderId"])
    passed("amend", float(story.orders()[0]["quantity"]) == 0.02, story.orders())
    client.cancel_order(symbol=SYMBOL, orderId=order["orderId"])
    passed("cancel", not story.orders(), story.orders())

    # It is older than the algo service, so its users call that by path.
    stop = {
        "algoType": "CONDITIONAL",
        "symbol": SYMBOL,
        "side": "SELL",
        "type": "STOP_MARKET",
        "triggerPrice": price,
        "closePosition": "true",
    }
    stop = client.sign_request("POST", "/fapi/v1/algoOrder", stop)
    passed("stop", float(story.stops()[0]["triggerPrice"]) == price, stop)
    client.sign_request("DELETE", "/fapi/v1/algoOrder", {"algoId": stop["algoId"]})

    stream = UMFuturesWebsocketClient(stream_url=story.STREAM + "/private", on_message=hear)
    stream.user_data(client.new_listen_key()["listenKey"], id=1)
    story.until(lambda: any(event.get("id") == 1 for event in events), "the subscription")
    order = client.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01)
    passed("market order", story.position() == 0.01, order)
    story.until(lambda: filled(order["orderId"]), "the fill")
    passed("fill on the user stream", filled(order["orderId"])["z"] == "0.010", events)
    client.new_order(symbol=SYMBOL, side="SELL", type="MARKET", quantity=0.01, reduceOnly="true")
    passed("reduce-only close", story.position() == 0, story.position())
    stream.stop()
    story.finish()


main()
