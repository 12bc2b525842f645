"""python-binance: its asynchronous client and its socket manager. Only addresses are changed."""

import asyncio

from binance import AsyncClient, BinanceSocketManager

import story
from story import SYMBOL, passed

AsyncClient.API_URL = story.REST + "/api"
AsyncClient.FUTURES_URL = story.REST + "/fapi"
BinanceSocketManager.FSTREAM_URL = story.STREAM + "/"


async def main():
    # Makes its start-up call, a ping of the spot exchange.
    client = await AsyncClient.create(story.KEY, story.SECRET)
    try:
        await tell(client)
    finally:
        await client.close_connection()
    story.finish()


async def tell(client):
    rules = await client.futures_exchange_info()
    passed("markets", SYMBOL in [row["symbol"] for row in rules["symbols"]], rules)
    balances = await client.futures_account_balance()
    usdt = next(row for row in balances if row["asset"] == "USDT")
    passed("balance", float(usdt["availableBalance"]) == 10000, usdt)
    await client.futures_account()
    await client.futures_position_information(symbol=SYMBOL)
    await client.futures_leverage_bracket(symbol=SYMBOL)
    await client.futures_klines(symbol=SYMBOL, interval="1m", limit=5)
    await client.futures_order_book(symbol=SYMBOL)
    await client.futures_mark_price(symbol=SYMBOL)
    await client.futures_income_history()

    await client.futures_change_leverage(symbol=SYMBOL, leverage=story.LEVERAGE)
    passed("leverage", story.setting()["leverage"] == story.LEVERAGE, story.setting())
    await client.futures_change_margin_type(symbol=SYMBOL, marginType="ISOLATED")
    passed("margin type", story.setting()["isolated"], story.setting())

    ticker = await client.futures_symbol_ticker(symbol=SYMBOL)
    price = story.below(ticker["price"])
    order = await client.futures_create_order(
        symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity=0.01, price=price
    )
    passed("limit order", float(story.orders()[0]["price"]) == price, order)
    await client.futures_modify_order(
        symbol=SYMBOL, side="BUY", orderId=order["orderId"], quantity=0.02, price=price
    )
    passed("amend", float(story.orders()[0]["quantity"]) == 0.02, story.orders())
    await client.futures_cancel_order(symbol=SYMBOL, orderId=order["orderId"])
    passed("cancel", not story.orders(), story.orders())

    # The library sends conditional types to the algo service by itself.
    stop = await client.futures_create_order(
        symbol=SYMBOL, side="SELL", type="STOP_MARKET", stopPrice=price, closePosition=True
    )
    passed("stop", float(story.stops()[0]["triggerPrice"]) == price, stop)
    await client.futures_cancel_algo_order(symbol=SYMBOL, algoId=stop["algoId"])

    manager = BinanceSocketManager(client)
    async with manager.futures_user_socket() as stream:
        order = await client.futures_create_order(
            symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01
        )
        passed("market order", story.position() == 0.01, order)
        fill = await filled(stream, order["orderId"])
        passed("fill on the user stream", fill["z"] == "0.010", fill)
    await client.futures_create_order(
        symbol=SYMBOL, side="SELL", type="MARKET", quantity=0.01, reduceOnly=True
    )
    passed("reduce-only close", story.position() == 0, story.position())


async def filled(stream, order):
    """The order's final event, whatever else comes before it."""
    while True:
        event = await asyncio.wait_for(stream.recv(), story.WAIT_SECONDS)
        if event["e"] == "ORDER_TRADE_UPDATE":
            body = event["o"]
            if body["i"] == order and body["X"] == "FILLED":
                return body


asyncio.run(main())
