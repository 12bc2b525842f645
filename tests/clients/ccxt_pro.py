"""ccxt: unified calls, and its streaming half (ccxt.pro) for the fill. Only addresses are changed."""

import asyncio

import ccxt.pro as ccxtpro

import story
from story import passed

PAIR = "BTC/USDT:USDT"


def exchange():
    client = ccxtpro.binance(
        {
            "apiKey": story.KEY,
            "secret": story.SECRET,
            "options": {"defaultType": "swap"},
        }
    )
    api = client.urls["api"]
    for name, address in api.items():
        if not isinstance(address, str):
            continue
        path = "/" + address.split("://", 1)[1].split("/", 1)[1]
        api[name] = story.REST + path
    api["ws"]["linear"] = story.STREAM + "/ws"
    api["ws"]["ws-api"]["linear"] = story.WS_API
    return client


async def until_told(future):
    return await asyncio.wait_for(future, story.WAIT_SECONDS)


async def watch_held(client):
    """The first position that is told; what was there before comes first, and is empty."""
    while True:
        for position in await client.watch_positions([PAIR]):
            if position["contracts"]:
                return position


async def main():
    client = exchange()
    try:
        await tell(client)
    finally:
        await client.close()
    story.finish()


async def tell(client):
    markets = await client.load_markets()
    market = markets[PAIR]
    passed("markets", market["linear"] and market["precision"]["price"] == 0.1, market)
    balance = await client.fetch_balance()
    passed("balance", balance["USDT"]["free"] == 10000, balance["USDT"])

    await client.set_leverage(story.LEVERAGE, PAIR)
    passed("leverage", story.setting()["leverage"] == story.LEVERAGE, story.setting())
    await client.set_margin_mode("isolated", PAIR)
    passed("margin type", story.setting()["isolated"], story.setting())

    ticker = await client.fetch_ticker(PAIR)
    await client.fetch_order_book(PAIR)
    await client.fetch_ohlcv(PAIR, "1m", limit=5)
    await client.fetch_trades(PAIR, limit=5)
    await client.fetch_funding_rate(PAIR)
    await client.fetch_positions([PAIR])
    await client.fetch_position_mode(PAIR)
    await client.fetch_leverage_tiers([PAIR])
    price = story.below(ticker["last"])
    order = await client.create_order(PAIR, "limit", "buy", 0.01, price)
    passed("limit order", float(story.orders()[0]["price"]) == price, order)
    order = await client.edit_order(order["id"], PAIR, "limit", "buy", 0.02, price - 1)
    resting = story.orders()[0]
    amended = float(resting["quantity"]) == 0.02 and float(resting["price"]) == price - 1
    passed("amend", amended, resting)
    listed = await client.fetch_open_orders(PAIR)
    await client.cancel_order(listed[0]["id"], PAIR)
    passed("cancel", not story.orders(), story.orders())

    stop = await client.create_order(
        PAIR, "market", "sell", 0.01, None, {"triggerPrice": price, "workingType": "MARK_PRICE"}
    )
    passed("stop", float(story.stops()[0]["triggerPrice"]) == price, stop)
    await client.fetch_open_orders(PAIR, params={"trigger": True})
    await client.cancel_order(stop["id"], PAIR, {"trigger": True})

    watched = await until_told(client.watch_ticker(PAIR))
    assert watched["symbol"] == PAIR, watched
    mark = await until_told(client.watch_mark_price(PAIR))
    assert mark["markPrice"], mark
    book = await until_told(client.watch_order_book(PAIR))
    assert book["bids"] and book["asks"], book
    candle = await until_told(client.watch_ohlcv(PAIR, "1m"))
    assert candle[0][4], candle
    trade = await until_told(client.watch_trades(PAIR))
    assert trade[0]["price"], trade
    fills = asyncio.ensure_future(client.watch_my_trades(PAIR))
    changes = asyncio.ensure_future(watch_held(client))
    await asyncio.to_thread(story.until, lambda: story.truth()["userConnections"] > 0, "the user stream")
    order = await client.create_order(PAIR, "market", "buy", 0.01)
    passed("market order", story.position() == 0.01, order)
    fill = (await until_told(fills))[0]
    held = await until_told(changes)
    told = fill["order"] == order["id"] and fill["amount"] == 0.01 and held["contracts"] == 0.01
    passed("fill on the user stream", told, (fill, held))
    await client.create_order(PAIR, "market", "sell", 0.01, None, {"reduceOnly": True})
    passed("reduce-only close", story.position() == 0, story.position())

    assert len(await client.fetch_my_trades(PAIR)) == 2
    assert await client.fetch_closed_orders(PAIR)
    await client.fetch_funding_history(PAIR)
    await client.fetch_ledger("USDT")


asyncio.run(main())
