//! The grammar of every statement that is not a mishap: one function per statement.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::Mistake;
use super::cursor::Cursor;
use super::fault;
use super::statement::{
    AssetMode, Conditional, ConditionalKind, MarginType, OrderLine, PositionLine, PositionMode,
    PositionSide, Side, Statement, SymbolLine, Tier, WorkingPrice,
};

const MARGIN_TYPES: &[(&str, MarginType)] = &[
    ("crossed", MarginType::Crossed),
    ("isolated", MarginType::Isolated),
];
const SIDES: &[(&str, Side)] = &[("buy", Side::Buy), ("sell", Side::Sell)];

/// Bracket tables that were given a name.
pub(super) type Tables = BTreeMap<String, Vec<Tier>>;

/// Parses one statement.
pub(super) fn statement(words: &mut Cursor, tables: &Tables) -> Result<Statement, Mistake> {
    let start = words.mistake("");
    let verb = words.word("a statement")?;
    if let Some(found) = nested(&verb, words, tables)
        .or_else(|| account(&verb, words))
        .or_else(|| market(&verb, words, tables))
        .or_else(|| trading(&verb, words))
    {
        return found;
    }
    match fault::fault(&verb, words) {
        Some(found) => found.map(Statement::Fault),
        None => Err(Mistake {
            message: format!("unknown statement `{verb}`"),
            ..start
        }),
    }
}

fn nested(verb: &str, words: &mut Cursor, tables: &Tables) -> Option<Result<Statement, Mistake>> {
    Some(match verb {
        "at" => words.duration().and_then(|after| {
            Ok(Statement::At {
                after,
                statement: Box::new(statement(words, tables)?),
            })
        }),
        "silent" => statement(words, tables).map(|inner| Statement::Silent(Box::new(inner))),
        "expect" => Ok(Statement::Expect(words.rest())),
        _ => return None,
    })
}

fn account(verb: &str, words: &mut Cursor) -> Option<Result<Statement, Mistake>> {
    Some(match verb {
        "mode" => words
            .choice(&[
                ("hedge", PositionMode::Hedge),
                ("one-way", PositionMode::OneWay),
            ])
            .map(Statement::PositionMode),
        "assets" => words
            .choice(&[("single", AssetMode::Single), ("multi", AssetMode::Multi)])
            .map(Statement::AssetMode),
        "wallet" => asset_amount(words).map(|(asset, amount)| Statement::Wallet { asset, amount }),
        "transfer" => {
            asset_amount(words).map(|(asset, amount)| Statement::Transfer { asset, amount })
        }
        "adjust" => adjust(words),
        "leverage" => named(words).and_then(|symbol| {
            Ok(Statement::Leverage {
                symbol,
                leverage: words.leverage()?,
            })
        }),
        "margin" => named(words).and_then(|symbol| {
            Ok(Statement::MarginType {
                symbol,
                margin_type: words.choice(MARGIN_TYPES)?,
            })
        }),
        "auto-add" => named(words).and_then(|symbol| {
            let on = words.choice(&[("on", true), ("off", false)])?;
            Ok(Statement::AutoAddMargin { symbol, on })
        }),
        "pos" => position(words).map(Statement::Position),
        "add-margin" => named(words).and_then(|symbol| {
            let amount = words.decimal("an amount")?;
            Ok(Statement::AddMargin {
                symbol,
                amount,
                position_side: position_side(words),
            })
        }),
        _ => return None,
    })
}

fn market(verb: &str, words: &mut Cursor, tables: &Tables) -> Option<Result<Statement, Mistake>> {
    Some(match verb {
        "seed" => words.integer("a seed").map(Statement::Seed),
        "symbol" => symbol(words).map(Statement::Symbol),
        "status" => named(words).and_then(|symbol| {
            Ok(Statement::Status {
                symbol,
                status: words.word("a status such as `TRADING`")?,
            })
        }),
        "brackets" => brackets(words, tables),
        "notional-coef" => named(words).and_then(|symbol| {
            Ok(Statement::NotionalCoef {
                symbol,
                coefficient: words.positive("a multiple such as `1.5`")?,
                tells_default: words.take("default"),
            })
        }),
        "index" => index(words),
        "mark" => named(words).and_then(|symbol| {
            Ok(Statement::Mark {
                symbol,
                price: words.decimal("a price")?,
            })
        }),
        "last" => named(words).and_then(|symbol| {
            Ok(Statement::Last {
                symbol,
                price: words.decimal("a price")?,
            })
        }),
        "book" => book(words),
        "walk" => named(words).and_then(|symbol| {
            Ok(Statement::Walk {
                symbol,
                volatility: words.decimal("a fraction per second")?,
            })
        }),
        "jumps" => named(words).and_then(|symbol| {
            let chance = words.decimal("a chance per second")?;
            let size = words.decimal("a fraction of the price")?;
            Ok(Statement::Jumps {
                symbol,
                chance,
                size,
            })
        }),
        "funding" => named(words).and_then(|symbol| {
            Ok(Statement::Funding {
                symbol,
                rate: words.decimal("a rate")?,
            })
        }),
        "settle" => named(words).and_then(|symbol| {
            Ok(Statement::Settle {
                symbol,
                price: words.decimal("a price")?,
            })
        }),
        _ => return None,
    })
}

fn trading(verb: &str, words: &mut Cursor) -> Option<Result<Statement, Mistake>> {
    Some(match verb {
        "order" => order(words).map(Statement::Order),
        "cancel" => named(words).and_then(|symbol| {
            let id = if words.take("id") {
                Some(words.word("a client id")?)
            } else {
                None
            };
            Ok(Statement::Cancel { symbol, id })
        }),
        "fill" => named(words).and_then(|symbol| {
            words.keyword("id")?;
            let id = words.word("a client id")?;
            Ok(Statement::Fill {
                symbol,
                id,
                quantity: words.positive("a quantity")?,
            })
        }),
        "liquidate" => named(words).map(|symbol| Statement::Liquidate { symbol }),
        "margin-call" => named(words).map(|symbol| Statement::MarginCall { symbol }),
        "margin-calls" if words.take("off") => Ok(Statement::MarginCalls { ratio: None }),
        "margin-calls" => words
            .positive("a margin ratio such as `0.8`, or `off`")
            .map(|ratio| Statement::MarginCalls { ratio: Some(ratio) }),
        "liquidations" => words
            .choice(&[("whole", false), ("partial", true)])
            .map(|partial| Statement::Liquidations { partial }),
        "adl" => named(words).and_then(|symbol| {
            let quantity = words.positive("a quantity")?;
            Ok(Statement::Adl {
                symbol,
                quantity,
                position_side: position_side(words),
            })
        }),
        _ => return None,
    })
}

fn named(words: &mut Cursor) -> Result<String, Mistake> {
    words.word("a symbol such as `BTCUSDT`")
}

fn asset_amount(words: &mut Cursor) -> Result<(String, Decimal), Mistake> {
    Ok((
        words.word("an asset such as `USDT`")?,
        words.decimal("an amount")?,
    ))
}

fn adjust(words: &mut Cursor) -> Result<Statement, Mistake> {
    let (asset, amount) = asset_amount(words)?;
    let reason = match words.peek() {
        Some(_) => words.word("a reason")?,
        None => "ADJUSTMENT".to_owned(),
    };
    Ok(Statement::Adjust {
        asset,
        amount,
        reason,
    })
}

fn book(words: &mut Cursor) -> Result<Statement, Mistake> {
    let symbol = named(words)?;
    if words.take("around-mark") {
        return Ok(Statement::Book { symbol, best: None });
    }
    let bid = words.positive("a best bid, or `around-mark`")?;
    let ask = words.positive("a best ask")?;
    if bid >= ask {
        return Err(words.mistake("the best bid lies below the best ask"));
    }
    let best = Some((bid, ask));
    Ok(Statement::Book { symbol, best })
}

fn position_side(words: &mut Cursor) -> PositionSide {
    if words.take("long") {
        PositionSide::Long
    } else if words.take("short") {
        PositionSide::Short
    } else {
        PositionSide::Both
    }
}

fn position(words: &mut Cursor) -> Result<PositionLine, Mistake> {
    let symbol = named(words)?;
    let margin_type = words.choice(MARGIN_TYPES)?;
    let leverage = words.leverage()?;
    let amount = words.decimal("a signed amount such as `+0.5`")?;
    words.keyword("@")?;
    let entry = words.positive("an entry price")?;
    let side = position_side(words);
    let isolated_wallet = if words.take("wallet") {
        Some(words.decimal("an isolated wallet")?)
    } else {
        None
    };
    let contradiction = match side {
        PositionSide::Long => amount.is_sign_negative(),
        PositionSide::Short => amount.is_sign_positive() && !amount.is_zero(),
        PositionSide::Both => false,
    };
    if contradiction {
        return Err(words.mistake("the sign of the amount contradicts the leg"));
    }
    if isolated_wallet.is_some() && margin_type == MarginType::Crossed {
        return Err(words.mistake("a crossed position has no wallet of its own"));
    }
    Ok(PositionLine {
        symbol,
        margin_type,
        leverage,
        amount,
        entry,
        position_side: side,
        isolated_wallet,
    })
}

fn index(words: &mut Cursor) -> Result<Statement, Mistake> {
    let asset = words.word("an asset")?;
    let price = words.positive("a price")?;
    let mut bid_buffer = Decimal::ZERO;
    let mut ask_buffer = Decimal::ZERO;
    loop {
        if words.take("bid") {
            bid_buffer = words.decimal("a fraction")?;
        } else if words.take("ask") {
            ask_buffer = words.decimal("a fraction")?;
        } else {
            return Ok(Statement::Index {
                asset,
                price,
                bid_buffer,
                ask_buffer,
            });
        }
    }
}

fn brackets(words: &mut Cursor, tables: &Tables) -> Result<Statement, Mistake> {
    let symbol = named(words)?;
    if words.take("none") {
        let tiers = Vec::new();
        return Ok(Statement::Brackets { symbol, tiers });
    }
    if words.take("as") {
        let known = words.peek().and_then(|name| tables.get(name)).cloned();
        let tiers = known.ok_or_else(|| words.unexpected("the name of a `table` above"))?;
        words.word("a table")?;
        return Ok(Statement::Brackets { symbol, tiers });
    }
    let tiers = tiers(words)?;
    Ok(Statement::Brackets { symbol, tiers })
}

/// Parses `NAME floor cap rate leverage | …` behind `table`.
pub(super) fn table(words: &mut Cursor) -> Result<(String, Vec<Tier>), Mistake> {
    let name = words.word("a name for the table")?;
    Ok((name, tiers(words)?))
}

fn tiers(words: &mut Cursor) -> Result<Vec<Tier>, Mistake> {
    let mut tiers = Vec::new();
    loop {
        tiers.push(Tier {
            floor: words.decimal("a floor")?,
            cap: words.positive("a cap")?,
            rate: words.positive("a maintenance margin rate")?,
            leverage_max: words.leverage()?,
        });
        if !words.take("|") {
            return Ok(tiers);
        }
    }
}

fn symbol(words: &mut Cursor) -> Result<SymbolLine, Mistake> {
    let name = named(words)?;
    let mut line = SymbolLine {
        base: String::new(),
        symbol: name,
        tick: Decimal::new(1, 2),
        step: Decimal::new(1, 3),
        min_notional: Decimal::new(5, 0),
        quote: "USDT".into(),
        margin: String::new(),
        taker: Decimal::new(5, 4),
        maker: Decimal::new(2, 4),
        status: "TRADING".into(),
        contract: "PERPETUAL".into(),
        liquidation_fee: Decimal::new(125, 4),
        percent_price: Decimal::new(5, 2),
        funding_hours: 8,
    };
    while words.peek().is_some() {
        symbol_option(&mut line, words)?;
    }
    if line.base.is_empty() {
        let stem = line.symbol.split('_').next().unwrap_or_default();
        line.base = stem
            .strip_suffix(line.quote.as_str())
            .unwrap_or(stem)
            .to_owned();
    }
    if line.margin.is_empty() {
        line.margin.clone_from(&line.quote);
    }
    Ok(line)
}

fn symbol_option(line: &mut SymbolLine, words: &mut Cursor) -> Result<(), Mistake> {
    let unknown = words.unexpected("an option such as `tick`, `step` or `margin`");
    match words.word("an option")?.as_str() {
        "tick" => line.tick = words.positive("a tick")?,
        "step" => line.step = words.positive("a step")?,
        "min-notional" => line.min_notional = words.decimal("a notional")?,
        "base" => line.base = words.word("an asset")?,
        "quote" => line.quote = words.word("an asset")?,
        "margin" => line.margin = words.word("an asset")?,
        "taker" => line.taker = words.decimal("a rate")?,
        "maker" => line.maker = words.decimal("a rate")?,
        "status" => line.status = words.word("a status")?,
        "contract" => line.contract = words.word("a contract type")?,
        "liquidation-fee" => line.liquidation_fee = words.decimal("a rate")?,
        "percent-price" => line.percent_price = words.decimal("a fraction")?,
        "funding-hours" => line.funding_hours = words.integer("hours")?,
        _ => return Err(unknown),
    }
    Ok(())
}

fn order(words: &mut Cursor) -> Result<OrderLine, Mistake> {
    let symbol = named(words)?;
    let side = words.choice(SIDES)?;
    let close_position = words.take("close-position");
    let quantity = if close_position {
        None
    } else {
        Some(words.positive("a quantity")?)
    };
    let price = if words.take("@") {
        Some(words.positive("a price")?)
    } else {
        None
    };
    let mut line = OrderLine {
        symbol,
        side,
        quantity,
        price,
        time_in_force: "GTC".into(),
        position_side: PositionSide::Both,
        reduce_only: false,
        close_position,
        id: None,
        conditional: None,
    };
    while words.peek().is_some() {
        order_option(&mut line, words)?;
    }
    if close_position && line.conditional.is_none() {
        return Err(words.mistake("`close-position` needs `stop` or `take-profit`"));
    }
    Ok(line)
}

fn order_option(line: &mut OrderLine, words: &mut Cursor) -> Result<(), Mistake> {
    let unknown = words.unexpected("an option such as `reduce-only`, `long`, `stop` or `id`");
    match words.word("an option")?.as_str() {
        "reduce-only" => line.reduce_only = true,
        "long" => line.position_side = PositionSide::Long,
        "short" => line.position_side = PositionSide::Short,
        "id" => line.id = Some(words.word("a client id")?),
        "tif" => line.time_in_force = words.word("a time in force such as `GTC`")?,
        "stop" => {
            let trigger = words.positive("a trigger price")?;
            line.conditional = Some(conditional(ConditionalKind::Stop(trigger)));
        }
        "take-profit" => {
            let trigger = words.positive("a trigger price")?;
            line.conditional = Some(conditional(ConditionalKind::TakeProfit(trigger)));
        }
        "trailing" => {
            let callback = words.positive("a percentage")?;
            let activate = if words.take("activate") {
                Some(words.positive("a price")?)
            } else {
                None
            };
            line.conditional = Some(conditional(ConditionalKind::Trailing {
                callback,
                activate,
            }));
        }
        "on" => {
            let price =
                words.choice(&[("mark", WorkingPrice::Mark), ("last", WorkingPrice::Last)])?;
            match &mut line.conditional {
                Some(conditional) => conditional.working_price = price,
                None => return Err(words.mistake("`on` belongs behind `stop` or `take-profit`")),
            }
        }
        _ => return Err(unknown),
    }
    Ok(())
}

fn conditional(kind: ConditionalKind) -> Conditional {
    Conditional {
        kind,
        working_price: WorkingPrice::Last,
    }
}
