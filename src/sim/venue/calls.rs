//! The exchange's calls by method and path: reads parameters, carries out, words the answer.

use serde_json::{Value, json as value};

use crate::scenario::{AssetMode, MarginType, PositionMode};

use super::super::params::Params;
use super::super::refusal::Refusal;
use super::super::wire::json;
use super::super::wire::reply::{AlgoReply, LeverageReply};
use super::orders::Shape;
use super::request::{new_algo, new_order, position_side};
use super::{LISTEN_KEY_MS, ListenKey, Venue};

type Reply = Result<String, Refusal>;

const SUCCESS: &str = r#"{"code":200,"msg":"success"}"#;
const BATCH_MAX: usize = 5;
const CANCEL_BATCH_MAX: usize = 10;

/// The guard's key is told to do nothing but read; a mishap (`mutate`) says otherwise.
const KEY_PERMISSIONS_REPLY: &str = r#"{"ipRestrict":true,"createTime":1698645219000,"enableReading":true,"enableWithdrawals":false,"enableInternalTransfer":false,"enableMargin":false,"enableFutures":false,"permitsUniversalTransfer":false,"enableVanillaOptions":false,"enableFixApiTrade":false,"enableFixReadOnly":true,"enableSpotAndMarginTrading":false,"enablePortfolioMarginTrading":false}"#;

impl Venue {
    pub(super) fn call(&mut self, method: &str, path: &str, params: &Params) -> Reply {
        match method {
            "GET" => self
                .get_market(path, params)
                .unwrap_or_else(|| self.get_account(path, params)),
            "POST" => self.post(path, params),
            "PUT" => match path {
                "/fapi/v1/order" => self.amend_call(params),
                "/fapi/v1/batchOrders" => self.batch(params, Self::amend_call),
                "/fapi/v1/listenKey" => self.extend_listen_key(params),
                _ => Err(Refusal::not_found()),
            },
            "DELETE" => self.delete(path, params),
            _ => Err(Refusal::not_found()),
        }
    }

    fn get_market(&self, path: &str, params: &Params) -> Option<Reply> {
        Some(match path {
            "/fapi/v1/ping" | "/api/v3/ping" => Ok("{}".to_owned()),
            "/fapi/v1/time" | "/api/v3/time" => Ok(value!({"serverTime": self.now_ms}).to_string()),
            "/fapi/v1/exchangeInfo" => Ok(self.exchange_info()),
            "/fapi/v1/premiumIndex" => self.premium_index(params),
            "/fapi/v1/ticker/price" | "/fapi/v2/ticker/price" => self.ticker_price(params),
            "/fapi/v1/ticker/bookTicker" => self.ticker_book(params),
            "/fapi/v1/ticker/24hr" => self.ticker_day(params),
            "/fapi/v1/depth" => self.depth(params),
            "/fapi/v1/klines"
            | "/fapi/v1/markPriceKlines"
            | "/fapi/v1/indexPriceKlines"
            | "/fapi/v1/continuousKlines" => self.klines(params),
            "/fapi/v1/trades" | "/fapi/v1/historicalTrades" => self.market_trades(params),
            "/fapi/v1/aggTrades" => self.aggregate_trades(params),
            "/fapi/v1/fundingRate" => self.funding_rates(params),
            "/fapi/v1/fundingInfo" => Ok(self.funding_info()),
            "/fapi/v1/assetIndex" => self.asset_index(params),
            // Start-up calls of client libraries that concern other products.
            "/api/v3/exchangeInfo" | "/dapi/v1/exchangeInfo" => Ok(
                value!({"timezone": "UTC", "serverTime": self.now_ms, "symbols": []}).to_string(),
            ),
            super::super::rest::KEY_PERMISSIONS => Ok(KEY_PERMISSIONS_REPLY.to_owned()),
            _ if path.starts_with("/sapi/") => Ok("[]".to_owned()),
            _ => return None,
        })
    }

    fn get_account(&self, path: &str, params: &Params) -> Reply {
        match path {
            "/fapi/v3/account" => Ok(self.account_v3()),
            "/fapi/v2/account" | "/fapi/v1/account" => Ok(self.account_v2()),
            "/fapi/v3/balance" | "/fapi/v2/balance" => Ok(self.balance()),
            "/fapi/v3/positionRisk" => self.position_risk_v3(params),
            "/fapi/v2/positionRisk" | "/fapi/v1/positionRisk" => self.position_risk_v2(params),
            "/fapi/v1/accountConfig" => Ok(self.account_config()),
            "/fapi/v1/symbolConfig" => self.symbol_config(params),
            "/fapi/v1/leverageBracket" => self.leverage_bracket(params),
            "/fapi/v1/openOrders" => self.open_orders_call(params),
            "/fapi/v1/openOrder" => self.open_order_call(params),
            "/fapi/v1/order" => self.query_call(params),
            "/fapi/v1/allOrders" => self.all_orders_call(params),
            "/fapi/v1/openAlgoOrders" => self.open_algos(params),
            "/fapi/v1/allAlgoOrders" => self.all_algos(params),
            "/fapi/v1/algoOrder" => self.query_algo(params),
            "/fapi/v1/positionSide/dual" => {
                Ok(value!({"dualSidePosition": self.is_hedge()}).to_string())
            }
            "/fapi/v1/multiAssetsMargin" => {
                let multi = self.account.assets == AssetMode::Multi;
                Ok(value!({"multiAssetsMargin": multi}).to_string())
            }
            "/fapi/v1/feeBurn" => Ok(value!({"feeBurn": false}).to_string()),
            "/fapi/v1/commissionRate" => self.commission_rate(params),
            "/fapi/v1/income" => Ok(self.income(params)),
            "/fapi/v1/userTrades" => self.user_trades(params),
            "/fapi/v1/rateLimit/order" => Ok(rate_limit_orders()),
            "/fapi/v1/apiTradingStatus" => {
                Ok(value!({"indicators": {}, "updateTime": self.now_ms}).to_string())
            }
            "/fapi/v1/forceOrders" => self.force_orders(params),
            "/fapi/v1/adlQuantile" | "/fapi/v1/positionMargin/history" => Ok("[]".to_owned()),
            _ => Err(Refusal::not_found()),
        }
    }

    fn post(&mut self, path: &str, params: &Params) -> Reply {
        match path {
            "/fapi/v1/order" => self.place_call(params),
            "/fapi/v1/order/test" => {
                self.check_order(&self.priced(&new_order(params)?)?)?;
                Ok("{}".to_owned())
            }
            "/fapi/v1/batchOrders" => self.batch(params, Self::place_call),
            "/fapi/v1/algoOrder" => {
                let id = self.place_algo(&new_algo(params)?)?;
                let algo = self
                    .find_algo(Some(id), None)
                    .ok_or_else(Refusal::no_such_order)?;
                Ok(json(&self.algo_reply(algo)))
            }
            "/fapi/v1/listenKey" => Ok(self.open_listen_key()),
            "/fapi/v1/leverage" => self.leverage_call(params),
            "/fapi/v1/marginType" => {
                let symbol = params.required("symbol")?;
                let margin_type = match params.required("marginType")? {
                    "CROSSED" => MarginType::Crossed,
                    "ISOLATED" => MarginType::Isolated,
                    _ => return Err(Refusal::malformed("marginType")),
                };
                self.set_margin_type(symbol, margin_type)
                    .map(|()| SUCCESS.to_owned())
            }
            "/fapi/v1/positionMargin" => self.position_margin_call(params),
            "/fapi/v1/positionSide/dual" => {
                let hedge = params.required_boolean("dualSidePosition")?;
                let mode = if hedge {
                    PositionMode::Hedge
                } else {
                    PositionMode::OneWay
                };
                self.set_position_mode(mode).map(|()| SUCCESS.to_owned())
            }
            "/fapi/v1/multiAssetsMargin" => {
                let multi = params.required_boolean("multiAssetsMargin")?;
                let mode = if multi {
                    AssetMode::Multi
                } else {
                    AssetMode::Single
                };
                self.set_asset_mode(mode).map(|()| SUCCESS.to_owned())
            }
            "/fapi/v1/feeBurn" => Ok(SUCCESS.to_owned()),
            "/fapi/v1/countdownCancelAll" => self.countdown(params),
            _ => Err(Refusal::not_found()),
        }
    }

    fn delete(&mut self, path: &str, params: &Params) -> Reply {
        match path {
            "/fapi/v1/order" => self.cancel_call(params),
            "/fapi/v1/allOpenOrders" => {
                let symbol = params.required("symbol")?;
                self.contract(symbol)?;
                self.cancel_all(symbol);
                Ok(
                    r#"{"code":200,"msg":"The operation of cancel all open order is done."}"#
                        .into(),
                )
            }
            "/fapi/v1/batchOrders" => self.cancel_batch(params),
            "/fapi/v1/algoOrder" => self.cancel_algo(params),
            "/fapi/v1/algoOpenOrders" => {
                let symbol = params.required("symbol")?;
                let ids: Vec<i64> = self.account.algos_of(symbol).map(|algo| algo.id).collect();
                for id in ids {
                    self.end_algo(id, "CANCELED", None);
                }
                Ok(SUCCESS.to_owned())
            }
            "/fapi/v1/listenKey" => {
                self.listen_key = None;
                Ok("{}".to_owned())
            }
            _ => Err(Refusal::not_found()),
        }
    }

    fn place_call(&mut self, params: &Params) -> Reply {
        let order = new_order(params)?;
        let id = self.place(&order)?;
        let result = params.get("newOrderRespType") == Some("RESULT");
        self.order_json(
            id,
            if result {
                Shape::Action
            } else {
                Shape::Acknowledged
            },
        )
    }

    /// Plays a JSON list of orders one by one; a refusal takes its place in the answer.
    fn batch(&mut self, params: &Params, act: impl Fn(&mut Self, &Params) -> Reply) -> Reply {
        let list: Vec<serde_json::Map<String, Value>> =
            serde_json::from_str(params.required("batchOrders")?)
                .map_err(|_| Refusal::missing("batchOrders"))?;
        if list.is_empty() || list.len() > BATCH_MAX {
            return Err(Refusal::batch_size());
        }
        let rows: Vec<String> = list
            .into_iter()
            .map(|order| {
                let named = order.into_iter().filter_map(|(name, value)| {
                    super::super::wire_value_text(&value).map(|text| (name, text))
                });
                let params = Params::from_map(named.collect());
                act(self, &params).unwrap_or_else(|refusal| refusal.body())
            })
            .collect();
        Ok(format!("[{}]", rows.join(",")))
    }

    fn cancel_batch(&mut self, params: &Params) -> Reply {
        let symbol = params.required("symbol")?;
        let (name, list) = match params.get("orderIdList") {
            Some(list) => ("orderId", list),
            None => (
                "origClientOrderId",
                params.required("origClientOrderIdList")?,
            ),
        };
        let ids: Vec<Value> =
            serde_json::from_str(list).map_err(|_| Refusal::missing("orderIdList"))?;
        if ids.is_empty() || ids.len() > CANCEL_BATCH_MAX {
            return Err(Refusal::batch_size());
        }
        let rows: Vec<String> = ids
            .iter()
            .filter_map(super::super::wire_value_text)
            .map(|id| {
                let mut one = Params::default();
                one.insert("symbol", symbol);
                one.insert(name, &id);
                self.cancel_call(&one)
                    .unwrap_or_else(|refusal| refusal.body())
            })
            .collect();
        Ok(format!("[{}]", rows.join(",")))
    }

    fn leverage_call(&mut self, params: &Params) -> Reply {
        let symbol = params.required("symbol")?;
        let leverage = params.required_integer("leverage")?;
        let leverage = u32::try_from(leverage).map_err(|_| Refusal::bad_leverage())?;
        self.set_leverage(symbol, leverage)?;
        let cap = self.contract(symbol)?.brackets.notional_max(leverage);
        Ok(json(&LeverageReply {
            leverage,
            max_notional_value: cap.plain(),
            symbol: symbol.to_owned(),
        }))
    }

    fn position_margin_call(&mut self, params: &Params) -> Reply {
        let symbol = params.required("symbol")?;
        let leg = (symbol.to_owned(), position_side(params)?);
        let amount = params.required_decimal("amount")?;
        let kind = params.required_integer("type")?;
        if !amount.is_positive() {
            return Err(Refusal::amount_positive());
        }
        match kind {
            1 => self.change_margin(&leg, amount)?,
            2 => self.change_margin(&leg, -amount)?,
            _ => return Err(Refusal::malformed("type")),
        }
        Ok(format!(
            r#"{{"code":200,"msg":"Successfully modify position margin.","amount":{},"type":{kind}}}"#,
            amount.plain()
        ))
    }

    fn countdown(&mut self, params: &Params) -> Reply {
        let symbol = params.required("symbol")?;
        self.contract(symbol)?;
        let time = params.required_integer("countdownTime")?;
        if time > 0 {
            self.countdowns
                .insert(symbol.to_owned(), self.now_ms + time);
        } else {
            self.countdowns.remove(symbol);
        }
        Ok(value!({"symbol": symbol, "countdownTime": time.to_string()}).to_string())
    }

    fn commission_rate(&self, params: &Params) -> Reply {
        let contract = self.contract(params.required("symbol")?)?;
        Ok(value!({
            "symbol": contract.symbol, "makerCommissionRate": contract.maker.text(6),
            "takerCommissionRate": contract.taker.text(6), "rpiCommissionRate": "0.000000",
        })
        .to_string())
    }

    fn income(&self, params: &Params) -> String {
        let start = params
            .integer("startTime")
            .ok()
            .flatten()
            .unwrap_or(i64::MIN);
        let end = params.integer("endTime").ok().flatten().unwrap_or(i64::MAX);
        let rows: Vec<_> = self
            .incomes
            .iter()
            .filter(|row| {
                params
                    .get("symbol")
                    .is_none_or(|symbol| symbol == row.symbol)
            })
            .filter(|row| {
                params
                    .get("incomeType")
                    .is_none_or(|kind| kind == row.income_type)
            })
            .filter(|row| (start..=end).contains(&row.time))
            .take(params.limit(100))
            .collect();
        json(&rows)
    }

    fn user_trades(&self, params: &Params) -> Reply {
        let symbol = params.required("symbol")?;
        self.contract(symbol)?;
        let order = params.integer("orderId")?;
        let rows: Vec<_> = self
            .trades
            .iter()
            .filter(|trade| trade.symbol == symbol)
            .filter(|trade| order.is_none_or(|order| order == trade.order_id))
            .take(params.limit(500))
            .collect();
        Ok(json(&rows))
    }

    fn open_algos(&self, params: &Params) -> Reply {
        let symbol = self.named_symbol(params)?;
        let id = params.integer("algoId")?;
        let rows: Vec<AlgoReply> = self
            .account
            .algos
            .values()
            .filter(|algo| symbol.is_none_or(|symbol| algo.symbol == symbol))
            .filter(|algo| id.is_none_or(|id| algo.id == id))
            .map(|algo| self.algo_reply(algo))
            .collect();
        Ok(json(&rows))
    }

    fn all_algos(&self, params: &Params) -> Reply {
        let symbol = params.required("symbol")?;
        let waiting = self.account.algos_of(symbol);
        let done = self.finished_algos_of(symbol);
        let rows: Vec<AlgoReply> = done
            .chain(waiting)
            .map(|algo| self.algo_reply(algo))
            .collect();
        Ok(json(&rows))
    }

    fn query_algo(&self, params: &Params) -> Reply {
        let algo = self
            .find_algo(params.integer("algoId")?, params.get("clientAlgoId"))
            .ok_or_else(Refusal::no_such_order)?;
        Ok(json(&self.algo_reply(algo)))
    }

    fn cancel_algo(&mut self, params: &Params) -> Reply {
        let found = self.find_algo(params.integer("algoId")?, params.get("clientAlgoId"));
        let (id, client_id) = match found {
            Some(algo) if self.account.algos.contains_key(&algo.id) => {
                (algo.id, algo.client_id.clone())
            }
            _ => return Err(Refusal::unknown_order()),
        };
        self.end_algo(id, "CANCELED", None);
        // The code is a string here, unlike anywhere else.
        Ok(
            value!({"algoId": id, "clientAlgoId": client_id, "code": "200", "msg": "success"})
                .to_string(),
        )
    }

    fn open_listen_key(&mut self) -> String {
        let expires_ms = self.now_ms + LISTEN_KEY_MS;
        let text = match self
            .listen_key
            .take()
            .filter(|key| key.expires_ms > self.now_ms)
        {
            Some(key) => key.text,
            None => self.random.text(64),
        };
        let reply = value!({"listenKey": text}).to_string();
        self.listen_key = Some(ListenKey { text, expires_ms });
        reply
    }

    fn extend_listen_key(&mut self, params: &Params) -> Reply {
        let now_ms = self.now_ms;
        let key = self
            .listen_key
            .as_mut()
            .filter(|key| key.expires_ms > now_ms);
        let key = key.ok_or_else(Refusal::no_listen_key)?;
        if params.get("listenKey").is_some_and(|told| told != key.text) {
            return Err(Refusal::no_listen_key());
        }
        key.expires_ms = now_ms + LISTEN_KEY_MS;
        Ok(value!({"listenKey": key.text}).to_string())
    }
}

fn rate_limit_orders() -> String {
    value!([
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
    ])
    .to_string()
}
