//! The exchange's refusals: code, text and HTTP status of each, as binance-api.md section 8 lists
//! them. Must not know when they are used.

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// HTTP status.
    pub(crate) status: u16,
    /// The exchange's code.
    pub(crate) code: i64,
    /// Its text.
    pub(crate) message: String,
}

impl Refusal {
    fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            code,
            message: message.into(),
        }
    }

    fn with_status(status: u16, code: i64, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// The JSON body.
    pub(crate) fn body(&self) -> String {
        format!(
            r#"{{"code":{},"msg":{}}}"#,
            self.code,
            serde_json::Value::from(self.message.as_str())
        )
    }

    /// A scenario statement that cannot be carried out.
    pub(crate) fn script(text: &str) -> Self {
        Self::new(0, text)
    }

    pub(crate) fn missing(name: &str) -> Self {
        Self::new(
            -1102,
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed."),
        )
    }

    pub(crate) fn not_required(name: &str) -> Self {
        Self::new(-1106, format!("Parameter '{name}' sent when not required."))
    }

    pub(crate) fn malformed(name: &str) -> Self {
        Self::new(
            -1130,
            format!("Data sent for parameter '{name}' is not valid."),
        )
    }

    pub(crate) fn price_above(limit: &str) -> Self {
        Self::new(-4016, format!("Limit price can't be higher than {limit}."))
    }

    pub(crate) fn price_below(limit: &str) -> Self {
        Self::new(-4024, format!("Limit price can't be lower than {limit}."))
    }

    pub(crate) fn notional_below(limit: &str) -> Self {
        Self::new(
            -4164,
            format!(
                "Order's notional must be no smaller than {limit} (unless you choose reduce only)"
            ),
        )
    }

    pub(crate) fn amended_notional_below(limit: &str) -> Self {
        Self::new(
            -5029,
            format!("Order's notional must be no smaller than {limit}."),
        )
    }

    pub(crate) fn too_many_requests(limit: u32) -> Self {
        Self::with_status(
            429,
            -1003,
            format!(
                "Too many requests; current limit is {limit} requests per minute. Please use the \
                 websocket for live updates to avoid polling the API."
            ),
        )
    }

    pub(crate) fn not_found() -> Self {
        Self::with_status(404, -5000, "Path not found.")
    }
}

macro_rules! refusals {
    ($($name:ident $status:literal $code:literal $text:literal;)*) => {
        impl Refusal {
            $(pub(crate) fn $name() -> Self {
                Self::with_status($status, $code, $text)
            })*
        }
    };
}

refusals! {
    too_many_orders 429 -1015 "Too many new orders; current limit is 300 orders per TEN_SECONDS.";
    outside_window 400 -1021 "Timestamp for this request is outside of the recvWindow.";
    ahead 400 -1021 "Timestamp for this request was 1000ms ahead of the server's time.";
    bad_signature 400 -1022 "Signature for this request is not valid.";
    duplicate_parameter 400 -1101 "Duplicate values for a parameter detected.";
    too_precise 400 -1111 "Precision is over the maximum defined for this asset.";
    bad_time_in_force 400 -1115 "Invalid timeInForce.";
    bad_type 400 -1116 "Invalid orderType.";
    bad_side 400 -1117 "Invalid side.";
    bad_interval 400 -1120 "Invalid interval.";
    bad_symbol 400 -1121 "Invalid symbol.";
    no_listen_key 400 -1125 "This listenKey does not exist.";
    window_too_long 400 -1131 "recvWindow must be less than 60000";
    bad_response_type 400 -1136 "Invalid newOrderRespType";
    unknown_order 400 -2011 "Unknown order sent.";
    no_such_order 400 -2013 "Order does not exist.";
    bad_key_format 401 -2014 "API-key format invalid.";
    bad_key 401 -2015 "Invalid API-key, IP, or permissions for action.";
    margin_insufficient 400 -2019 "Margin is insufficient.";
    would_trigger 400 -2021 "Order would immediately trigger.";
    reduce_only_rejected 400 -2022 "ReduceOnly Order is rejected.";
    too_many_open_orders 400 -2025 "Reach max open order limit.";
    position_cap 400 -2027 "Exceeded the maximum allowable position at current leverage.";
    leverage_short 400 -2028 "Leverage is smaller than permitted: insufficient margin balance.";
    quantity_zero 400 -4003 "Quantity less than or equal to zero.";
    quantity_small 400 -4004 "Quantity less than min quantity.";
    quantity_large 400 -4005 "Quantity greater than max quantity.";
    price_small 400 -4013 "Price less than min price.";
    tick 400 -4014 "Price not increased by tick size.";
    bad_client_id 400 -4015 "Client order id is not valid.";
    step 400 -4023 "Quantity not increased by step size.";
    bad_leverage 400 -4028 "Leverage is not valid";
    too_many_conditionals 400 -4045 "Reach max stop order limit.";
    same_margin_type 400 -4046 "No need to change margin type.";
    margin_type_orders 400 -4047 "Margin type cannot be changed if there exists open orders.";
    margin_type_position 400 -4048 "Margin type cannot be changed if there exists position.";
    only_isolated 400 -4049 "Add margin only support for isolated position.";
    cross_insufficient 400 -4050 "Cross balance insufficient.";
    isolated_insufficient 400 -4051 "Isolated balance insufficient.";
    no_position 400 -4054 "Cannot add position margin: position is 0.";
    amount_positive 400 -4055 "Amount must be positive.";
    same_position_mode 400 -4059 "No need to change position side.";
    bad_position_side 400 -4060 "Invalid position side.";
    position_side_mismatch 400 -4061 "Order's position side does not match user's setting.";
    mode_orders 400 -4067 "Position side cannot be changed if there exists open orders.";
    mode_positions 400 -4068 "Position side cannot be changed if there exists position.";
    batch_size 400 -4082 "Invalid number of batch place orders.";
    duplicate_client_id 400 -4116 "ClientOrderId is duplicated.";
    reduce_only_flips 400 -4118 "ReduceOnly Order Failed. Please check your existing position and open orders.";
    use_algo 400 -4120 "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.";
    quantity_with_close 400 -4137 "Quantity must be zero with closePosition equals true.";
    reduce_with_close 400 -4138 "Reduce only must be true with closePosition equals true.";
    not_open 400 -4140 "Invalid symbol status for opening position.";
    symbol_closed 400 -4141 "Symbol is closed.";
    isolated_leverage_cut 400 -4161 "Leverage reduction is not supported in Isolated Margin Mode with open positions.";
    isolated_blocks_multi 400 -4167 "Unable to adjust to Multi-Assets mode with symbols of USDⓈ-M Futures under isolated-margin mode.";
    multi_blocks_isolated 400 -4168 "Unable to adjust to isolated-margin mode under the Multi-Assets mode.";
    multi_orders 400 -4170 "Unable to adjust Multi-Assets Mode when there are open orders in USDⓈ-M Futures.";
    same_asset_mode 400 -4171 "Adjusted asset mode is currently set and does not need to be adjusted repeatedly.";
    fill_or_kill 400 -5021 "Due to the order could not be filled immediately, the FOK order has been rejected. The order will not be recorded in the order history.";
    post_only 400 -5022 "Due to the order could not be executed as maker, the Post Only order will be rejected. The order will not be recorded in the order history.";
    limit_only 400 -5025 "Only limit order is supported.";
    no_change 400 -5027 "No need to modify the order.";
    bad_price_match 400 -5037 "Invalid price match";
    price_match_type 400 -5038 "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT";
    bad_self_trade_prevention 400 -5039 "Invalid self trade prevention mode";
    bad_good_till 400 -5040 "The goodTillDate timestamp must be greater than the current time plus 600 seconds and smaller than 253402300799000";
    no_depth 400 -5041 "No depth matches this BBO order";
    not_reduce_only 400 -5047 "The order is not a reduce-only order.";
}
