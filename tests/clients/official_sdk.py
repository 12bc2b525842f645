"""The official SDK: REST, WebSocket API and streams, each given its address in the configuration."""

import asyncio

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)
from binance_sdk_derivatives_trading_usds_futures.rest_api import models as rest
from binance_sdk_derivatives_trading_usds_futures.websocket_api import models as ws

import story
from story import SYMBOL, passed


def client():
    keys = {"api_key": story.KEY, "api_secret": story.SECRET}
    return DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(base_path=story.REST, timeout=10_000, **keys),
        config_ws_api=ConfigurationWebSocketAPI(stream_url=story.WS_API, **keys),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=story.STREAM),
    )


async def main():
    exchange = client()
    await tell(exchange)
    story.finish()


async def tell(exchange):
    calls = exchange.rest_api
    rules = calls.exchange_information().data()
    passed("markets", SYMBOL in [row.symbol for row in rules.symbols], rules)
    balances = calls.futures_account_balance_v3().data()
    usdt = next(row for row in balances if row.asset == "USDT")
    passed("balance", float(usdt.available_balance) == 10000, usdt)
    calls.account_information_v3().data()
    calls.position_information_v3().data()
    calls.symbol_configuration().data()
    calls.futures_account_configuration().data()
    calls.notional_and_leverage_brackets(symbol=SYMBOL).data()
    calls.kline_candlestick_data(SYMBOL, rest.KlineCandlestickDataIntervalEnum("1m")).data()
    calls.order_book(SYMBOL).data()
    calls.mark_price(SYMBOL).data()
    calls.get_income_history().data()

    calls.change_initial_leverage(SYMBOL, story.LEVERAGE).data()
    passed("leverage", story.setting()["leverage"] == story.LEVERAGE, story.setting())
    calls.change_margin_type(SYMBOL, rest.ChangeMarginTypeMarginTypeEnum("ISOLATED")).data()
    passed("margin type", story.setting()["isolated"], story.setting())

    ticker = calls.symbol_price_ticker_v2(SYMBOL).data().actual_instance
    price = story.below(ticker.price)
    order = calls.new_order(
        SYMBOL,
        rest.NewOrderSideEnum("BUY"),
        "LIMIT",
        time_in_force=rest.NewOrderTimeInForceEnum("GTC"),
        quantity=0.01,
        price=price,
    ).data()
    passed("limit order", float(story.orders()[0]["price"]) == price, order)
    calls.modify_order(
        SYMBOL, rest.ModifyOrderSideEnum("BUY"), 0.02, price, order_id=order.order_id
    ).data()
    passed("amend", float(story.orders()[0]["quantity"]) == 0.02, story.orders())
    calls.cancel_order(SYMBOL, order_id=order.order_id).data()
    passed("cancel", not story.orders(), story.orders())

    stop = calls.new_algo_order(
        rest.NewAlgoOrderAlgoTypeEnum("CONDITIONAL"),
        SYMBOL,
        rest.NewAlgoOrderSideEnum("SELL"),
        rest.NewAlgoOrderTypeEnum("STOP_MARKET"),
        trigger_price=price,
        close_position=rest.NewAlgoOrderClosePositionEnum("true"),
    ).data()
    passed("stop", float(story.stops()[0]["triggerPrice"]) == price, stop)
    calls.cancel_algo_order(algo_id=stop.algo_id).data()

    key = calls.start_user_data_stream().data().listen_key
    streams = exchange.websocket_streams
    await streams.create_connection()
    told = []
    stream = await streams.user_data(key)
    stream.on("message", told.append)
    marks = []
    mark = await streams.mark_price_stream(symbol=SYMBOL.lower())
    mark.on("message", marks.append)

    # The market order goes over the WebSocket API.
    api = exchange.websocket_api
    await api.create_connection()
    order = await api.new_order(
        SYMBOL, ws.NewOrderSideEnum("BUY"), ws.NewOrderTypeEnum("MARKET"), quantity=0.01
    )
    placed = order.data().result
    passed("market order", story.position() == 0.01, placed)
    fill = await filled(told, placed.order_id)
    passed("fill on the user stream", fill.z == "0.010", fill)
    await come(lambda: marks, "a mark price")
    calls.new_order(
        SYMBOL,
        rest.NewOrderSideEnum("SELL"),
        "MARKET",
        quantity=0.01,
        reduce_only=rest.NewOrderReduceOnlyEnum("true"),
    ).data()
    passed("reduce-only close", story.position() == 0, story.position())
    await streams.close_connection(close_session=True)
    await api.close_connection(close_session=True)


async def come(condition, what):
    async with asyncio.timeout(story.WAIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.02)
    return condition()


async def filled(told, order):
    """The order's final event, read from the models the SDK makes of the frames."""

    def body():
        for event in told:
            event = event.actual_instance
            order_of = getattr(event, "o", None)
            if getattr(order_of, "i", None) == order and order_of.X == "FILLED":
                return order_of
        return None

    return await come(body, "the fill")


asyncio.run(main())
