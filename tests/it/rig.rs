//! An account made from scenario text: every statement becomes what the exchange client would have
//! said, and the spine's own step takes it.

use std::sync::Arc;

use crossguard::clock::Clock;
use crossguard::daemon::core::{Ask, Core, Input, Output, PolicyInForce};
use crossguard::daemon::report::Answer;
use crossguard::guard::Detail;
use crossguard::guard::policy::Policy;
use crossguard::guard::proposal::Proposal;
use crossguard::margin::account::{
    Asset, AssetMode, Lot, MarginMode, PositionMode, PositionSide, Rules, Settings, Side, Symbol,
};
use crossguard::margin::amount::{Amount, Leverage, MarkPrice, Notional, Price, Quantity, Rate};
use crossguard::margin::bracket::{Bracket, BracketTable, next_maintenance_amount};
use crossguard::margin::collateral::CollateralRate;
use crossguard::margin::order::{OpenOrder, OrderId, OrderIntent, OrderKind, TriggerBy};
use crossguard::mirror::event::*;
use crossguard::scenario::{self, ConditionalKind, MarginType, OrderLine, Scenario, Statement};
use rust_decimal::Decimal;

/// The spine with everything fresh, on a clock that moves only when told.
pub(crate) struct Rig {
    /// The spine.
    pub(crate) core: Core,
    /// Its clock.
    pub(crate) clock: Clock,
    /// Everything it was told, to tell another spine the same.
    pub(crate) told: Vec<Event>,
    next_order: i64,
    modes: (PositionMode, AssetMode),
}

/// A symbol by name.
pub(crate) fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

/// An asset by name.
pub(crate) fn asset(name: &str) -> Asset {
    Asset::new(name).unwrap()
}

impl Rig {
    /// An empty account under the shipped policy, live on its first connection.
    pub(crate) fn new() -> Self {
        let in_force = PolicyInForce {
            policy: Policy::default(),
            fingerprint: "sha256:test".to_owned(),
        };
        let clock = Clock::manual(1_790_000_000_000);
        let core = Core::new(in_force, 7);
        let modes = (PositionMode::OneWay, AssetMode::Single);
        let mut rig = Self {
            core,
            clock,
            told: Vec::new(),
            next_order: 1,
            modes,
        };
        let at = rig.clock.now();
        rig.tell(Event::ClockOffset(ClockOffset {
            offset_ms: 0,
            error_ms: 1,
            at,
        }));
        rig.tell(Event::KeyAccepted { at });
        rig.tell(Event::Rules(rig.read(vec![])));
        rig.tell(Event::Brackets(rig.read(vec![])));
        rig.tell_config();
        rig.tell(Event::SymbolSettings(rig.read(vec![])));
        rig.tell(Event::UserStreamOpened(Connection { epoch: 1, at }));
        rig.tell(Event::AccountTruth(rig.read(AccountTruth {
            balances: vec![],
            positions: vec![],
            credits: false,
        })));
        rig.tell(Event::OrdersTruth(rig.read(OrdersTruth { orders: vec![] })));
        rig
    }

    /// An account as the text says; `expect` lines are given back with their line numbers.
    pub(crate) fn from_text(text: &str) -> (Self, Vec<(usize, String)>) {
        let scenario = Scenario::parse(text).unwrap_or_else(|mistakes| {
            panic!(
                "{}",
                mistakes
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("\n")
            )
        });
        Self::from_scenario(&scenario)
    }

    /// An account as the scenario says; `expect` lines are given back with their line numbers.
    pub(crate) fn from_scenario(scenario: &Scenario) -> (Self, Vec<(usize, String)>) {
        let mut rig = Self::new();
        let mut expectations = Vec::new();
        for line in &scenario.lines {
            match &line.statement {
                Statement::Expect(text) => expectations.push((line.number, text.clone())),
                statement => rig.play(statement),
            }
        }
        (rig, expectations)
    }

    /// Tells the spine one event, a millisecond later.
    pub(crate) fn tell(&mut self, event: Event) -> Vec<Output> {
        self.clock.advance_ms(1);
        self.told.push(event.clone());
        self.core.step(Input::Event(event), self.clock.now())
    }

    /// A value read over REST just now.
    pub(crate) fn read<T>(&self, value: T) -> Read<T> {
        self.clock.advance_ms(1);
        Read {
            asked: self.clock.now(),
            answered: self.clock.now(),
            value,
        }
    }

    /// Every read of an account that is as it was: this wallet, this one-way BTCUSDT position, no order.
    pub(crate) fn read_again(&mut self, wallet: &str, quantity: &str) {
        let at = self.clock.now();
        self.tell(Event::ClockOffset(ClockOffset {
            offset_ms: 0,
            error_ms: 1,
            at,
        }));
        self.tell(Event::KeyAccepted { at });
        self.tell_config();
        self.tell(Event::SymbolSettings(self.read(vec![])));
        self.tell(Event::Brackets(self.read(vec![])));
        self.tell(Event::Rules(self.read(vec![])));
        let account = self.account_read(wallet, Some((quantity, at.wall_ms)));
        self.tell(account);
        let orders = self.orders_read(vec![]);
        self.tell(orders);
    }

    fn tell_config(&mut self) {
        let (position_mode, asset_mode) = self.modes;
        let config = AccountConfig {
            position_mode,
            asset_mode,
            can_trade: true,
        };
        self.tell(Event::AccountConfig(self.read(config)));
    }

    /// Asks whether an order may be sent.
    pub(crate) fn ask(&mut self, proposal: impl Into<Proposal>, dry_run: bool) -> Answer {
        self.ask_with(Ask {
            ticket: 1,
            proposal: proposal.into(),
            client: None,
            dry_run,
            detail: Detail::Full,
        })
    }

    /// Asks as the question says.
    pub(crate) fn ask_with(&mut self, ask: Ask) -> Answer {
        let outputs = self
            .core
            .step(Input::Check(Box::new(ask)), self.clock.now());
        outputs
            .into_iter()
            .find_map(|output| match output {
                Output::Answer { answer, .. } => Some(*answer),
                _ => None,
            })
            .expect("the question is answered at once")
    }

    /// Puts another policy in force.
    pub(crate) fn under(&mut self, policy: Policy) {
        let in_force = PolicyInForce {
            policy,
            fingerprint: "sha256:other".to_owned(),
        };
        self.core
            .step(Input::Policy(Box::new(in_force)), self.clock.now());
    }

    /// Asks for an order written as an `order` line of a scenario.
    pub(crate) fn check(&mut self, words: &str) -> Answer {
        let statement = scenario::parse_line(&format!("order {words}"))
            .unwrap()
            .unwrap();
        let Statement::Order(line) = statement else {
            panic!("{words}")
        };
        self.ask(intent(&line), true)
    }

    /// Tells how an order stands: `filled` of it so far, at this transaction time.
    pub(crate) fn tell_order(
        &mut self,
        order: &OpenOrder,
        filled: &str,
        status: OrderStatus,
        transaction_ms: i64,
    ) -> Vec<Output> {
        let filled = Quantity::parse(filled).unwrap();
        let mut order = order.clone();
        order.remaining = order.remaining.minus(filled).unwrap();
        let origin = match order.client_order_id.as_str() {
            name if name.starts_with("adl_autoclose") => OrderOrigin::AutoDeleveraging,
            name if name.starts_with("autoclose-") => OrderOrigin::Liquidation,
            _ => OrderOrigin::Client,
        };
        self.tell(Event::OrderUpdate(OrderUpdate {
            event_ms: transaction_ms,
            transaction_ms,
            order,
            filled,
            status,
            origin,
            expiry_reason: None,
        }))
    }

    /// Tells a one-way BTCUSDT position as it now is, and nothing of balances.
    pub(crate) fn tell_position(&mut self, quantity: &str, transaction_ms: i64) -> Vec<Output> {
        let position = PositionUpdate {
            symbol: symbol("BTCUSDT"),
            position_side: PositionSide::Both,
            quantity: Quantity::parse(quantity).unwrap(),
            entry_price: Price::parse("60000").unwrap(),
            isolated_wallet: Amount::ZERO,
            margin_mode: Some(MarginMode::Crossed),
        };
        self.tell(Event::AccountUpdate(AccountUpdate {
            event_ms: transaction_ms,
            transaction_ms,
            reason: "ORDER".to_owned(),
            balances: vec![],
            positions: vec![position],
        }))
    }

    /// A whole read that says this USDT wallet, and this one-way BTCUSDT position (none: flat) as
    /// of a time of the exchange.
    pub(crate) fn account_read(&self, wallet: &str, position: Option<(&str, i64)>) -> Event {
        let wallet = Amount::parse(wallet).unwrap();
        let figures = ExchangeFigures {
            maintenance_margin: Amount::ZERO,
            initial_margin: Amount::ZERO,
            open_order_initial_margin: Amount::ZERO,
            available_balance: Amount::ZERO,
        };
        let balance = TruthBalance {
            balance: BalanceUpdate {
                asset: asset("USDT"),
                wallet_balance: wallet,
                cross_wallet_balance: wallet,
            },
            updated_ms: 0,
            figures,
        };
        let position = position.map(|(quantity, updated_ms)| TruthPosition {
            position: PositionUpdate {
                symbol: symbol("BTCUSDT"),
                position_side: PositionSide::Both,
                quantity: Quantity::parse(quantity).unwrap(),
                entry_price: Price::parse("60000").unwrap(),
                isolated_wallet: Amount::ZERO,
                margin_mode: None,
            },
            margin_asset: asset("USDT"),
            updated_ms,
            liquidation_price: None,
            deleveraging_quantile: None,
        });
        Event::AccountTruth(self.read(AccountTruth {
            balances: vec![balance],
            positions: position.into_iter().collect(),
            credits: false,
        }))
    }

    /// A whole read of both books.
    pub(crate) fn orders_read(&self, orders: Vec<OpenOrder>) -> Event {
        Event::OrdersTruth(self.read(OrdersTruth { orders }))
    }

    /// The exchange's time now, in milliseconds.
    pub(crate) fn exchange_ms(&self) -> i64 {
        self.clock.now().wall_ms
    }

    fn play(&mut self, statement: &Statement) {
        match statement {
            Statement::PositionMode(mode) => {
                self.modes.0 = match mode {
                    scenario::PositionMode::OneWay => PositionMode::OneWay,
                    scenario::PositionMode::Hedge => PositionMode::Hedge,
                };
                self.tell_config();
                self.refresh();
            }
            Statement::AssetMode(mode) => {
                self.modes.1 = match mode {
                    scenario::AssetMode::Single => AssetMode::Single,
                    scenario::AssetMode::Multi => AssetMode::Multi,
                };
                self.tell_config();
            }
            Statement::Symbol(line) => self.play_symbol(line),
            Statement::Brackets {
                symbol: name,
                tiers,
            } => drop(self.play_brackets(name, tiers)),
            Statement::NotionalCoef {
                symbol: name,
                coefficient,
                tells_default,
            } => self.play_coefficient(name, *coefficient, *tells_default),
            Statement::Wallet {
                asset: name,
                amount,
            } => self.balance(name, *amount),
            Statement::Index {
                asset: name,
                price,
                bid_buffer,
                ask_buffer,
            } => {
                let rate = CollateralRate::from_index(
                    Rate::new(*price),
                    Rate::new(*bid_buffer),
                    Rate::new(*ask_buffer),
                );
                self.tell(Event::AutoExchange(thresholds()));
                let event_ms = self.clock.now().wall_ms;
                self.tell(Event::CollateralRates(vec![CollateralUpdate {
                    asset: asset(name),
                    haircut: None,
                    rate: rate.unwrap(),
                    event_ms,
                }]));
            }
            Statement::Leverage {
                symbol: name,
                leverage,
            } => {
                self.settings(name, |settings| {
                    settings.leverage = Leverage::new(*leverage).unwrap();
                });
            }
            Statement::MarginType {
                symbol: name,
                margin_type,
            } => {
                self.settings(name, |settings| {
                    settings.margin_mode = margin_mode(*margin_type);
                });
            }
            Statement::AutoAddMargin { symbol: name, on } => {
                self.settings(name, |settings| settings.auto_add_margin = *on);
            }
            Statement::Position(line) => self.play_position(line),
            Statement::Mark {
                symbol: name,
                price,
            } => self.mark(name, *price),
            Statement::Last {
                symbol: name,
                price,
            } => self.quote(name, Quote::Last(Some(Price::new(*price)))),
            Statement::Book { symbol: name, best } => {
                let (bid, ask) = best
                    .map(|(bid, ask)| (Price::new(bid), Price::new(ask)))
                    .unzip();
                self.quote(name, Quote::Best { bid, ask });
            }
            Statement::Order(line) => self.play_order(line),
            Statement::Transfer {
                asset: name,
                amount,
            } => self.transfer(name, *amount),
            other => panic!("the rig does not play {other:?}"),
        }
    }

    /// After a change of mode the account is read anew, as the exchange client would.
    fn refresh(&mut self) {
        let figures = ExchangeFigures {
            maintenance_margin: Amount::ZERO,
            initial_margin: Amount::ZERO,
            open_order_initial_margin: Amount::ZERO,
            available_balance: Amount::ZERO,
        };
        let book = self.core.mirror().book();
        let balances = book
            .assets()
            .filter_map(|asset| {
                let (wallet_balance, cross_wallet_balance) = book.balances(asset.as_str())?;
                let asset = asset.clone();
                let balance = BalanceUpdate {
                    asset,
                    wallet_balance,
                    cross_wallet_balance,
                };
                Some(TruthBalance {
                    balance,
                    updated_ms: 0,
                    figures,
                })
            })
            .collect();
        let truth = AccountTruth {
            balances,
            positions: vec![],
            credits: false,
        };
        self.tell(Event::AccountTruth(self.read(truth)));
        self.tell(Event::OrdersTruth(
            self.read(OrdersTruth { orders: vec![] }),
        ));
    }

    fn play_symbol(&mut self, line: &scenario::SymbolLine) {
        let lot = Lot {
            min: Some(Quantity::new(line.step)),
            max: None,
            step: Some(Quantity::new(line.step)),
        };
        let rules = Rules {
            trading: line.status == "TRADING",
            status: line.status.clone(),
            margin_asset: asset(&line.margin),
            quote_asset: asset(&line.quote),
            delivery_ms: None,
            tick: Some(Price::new(line.tick)),
            price_min: Some(Price::new(line.tick)),
            price_max: None,
            lot,
            market_lot: lot,
            notional_min: Some(Notional::new(line.min_notional)),
            price_multiplier_up: Some(Rate::new(Decimal::ONE + line.percent_price)),
            price_multiplier_down: Some(Rate::new(Decimal::ONE - line.percent_price)),
            trigger_protect: None,
        };
        let known = self
            .core
            .mirror()
            .listed()
            .map(|(symbol, rules)| SymbolRules {
                symbol: symbol.clone(),
                rules: rules.clone(),
            });
        let mut all: Vec<SymbolRules> = known.collect();
        all.push(SymbolRules {
            symbol: symbol(&line.symbol),
            rules,
        });
        self.tell(Event::Rules(self.read(all)));
        self.settings(&line.symbol, |_| {});
        self.tell(Event::CommissionRates(CommissionRates {
            symbol: symbol(&line.symbol),
            maker: Rate::new(line.maker),
            taker: Rate::new(line.taker),
            at: self.clock.now(),
        }));
    }

    /// What the exchange says of brackets that are a multiple: the multiple, the tables as it tells
    /// them, the largest notional at the leverage in force.
    fn play_coefficient(&mut self, name: &str, coefficient: Decimal, tells_default: bool) {
        let state = self.core.mirror().book().state(name).unwrap();
        let own = state.brackets.clone().unwrap();
        let told = if tells_default {
            own.multiplied(Rate::new(Decimal::ONE / coefficient))
                .unwrap()
        } else {
            own.as_ref().clone()
        };
        let multiple = vec![(symbol(name), Rate::new(coefficient))];
        self.tell(Event::BracketCoefficients(multiple));
        let row = SymbolBrackets {
            symbol: symbol(name),
            table: Ok(Arc::new(told)),
        };
        self.tell(Event::Brackets(self.read(vec![row])));
        self.settings(name, |settings| {
            settings.notional_max = own.notional_max_at(settings.leverage);
        });
    }

    /// Plays a `brackets` line and says what came of it.
    pub(crate) fn play_again(&mut self, statement: &Statement) -> Vec<Output> {
        match statement {
            Statement::Brackets { symbol, tiers } => self.play_brackets(symbol, tiers),
            other => panic!("{other:?}"),
        }
    }

    fn play_brackets(&mut self, name: &str, tiers: &[scenario::Tier]) -> Vec<Output> {
        let mut brackets: Vec<Bracket> = Vec::new();
        for tier in tiers {
            let (floor, rate) = (Notional::new(tier.floor), Rate::new(tier.rate));
            let amount = brackets.last().map_or(Amount::ZERO, |before| {
                next_maintenance_amount(before, floor, rate).unwrap()
            });
            brackets.push(Bracket {
                floor,
                cap: Notional::new(tier.cap),
                maintenance_margin_rate: rate,
                maintenance_amount: amount,
                leverage_max: Leverage::new(tier.leverage_max).unwrap(),
            });
        }
        let table = BracketTable::try_new(brackets).map(Arc::new);
        let row = SymbolBrackets {
            symbol: symbol(name),
            table,
        };
        self.tell(Event::Brackets(self.read(vec![row])))
    }

    /// Changes a symbol's settings, beginning with crossed at 20x.
    pub(crate) fn settings(&mut self, name: &str, change: impl FnOnce(&mut Settings)) {
        let known = self
            .core
            .mirror()
            .book()
            .state(name)
            .and_then(|state| state.settings);
        let mut settings = known.unwrap_or(Settings {
            leverage: Leverage::new(20).unwrap(),
            margin_mode: MarginMode::Crossed,
            auto_add_margin: false,
            notional_max: None,
        });
        change(&mut settings);
        let row = SymbolSettings {
            symbol: symbol(name),
            settings,
        };
        self.tell(Event::SymbolSettings(self.read(vec![row])));
    }

    fn balances(&self, name: &str) -> (Decimal, Decimal) {
        let known = self.core.mirror().book().balances(name);
        known.map_or((Decimal::ZERO, Decimal::ZERO), |(wallet, cross)| {
            (wallet.get(), cross.get())
        })
    }

    /// Tells a wallet balance.
    pub(crate) fn balance(&mut self, name: &str, wallet: Decimal) {
        let (before, cross) = self.balances(name);
        self.account_update(name, wallet, cross + wallet - before, vec![]);
    }

    fn transfer(&mut self, name: &str, amount: Decimal) {
        let (wallet, cross) = self.balances(name);
        self.account_update(name, wallet + amount, cross + amount, vec![]);
    }

    fn account_update(
        &mut self,
        name: &str,
        wallet: Decimal,
        cross: Decimal,
        positions: Vec<PositionUpdate>,
    ) {
        let at = self.clock.now().wall_ms;
        let balance = BalanceUpdate {
            asset: asset(name),
            wallet_balance: Amount::new(wallet),
            cross_wallet_balance: Amount::new(cross),
        };
        self.tell(Event::AccountUpdate(AccountUpdate {
            event_ms: at,
            transaction_ms: at,
            reason: "ORDER".to_owned(),
            balances: vec![balance],
            positions,
        }));
    }

    fn play_position(&mut self, line: &scenario::PositionLine) {
        self.settings(&line.symbol, |settings| {
            settings.leverage = Leverage::new(line.leverage).unwrap();
            settings.margin_mode = margin_mode(line.margin_type);
        });
        let pool = {
            let state = self.core.mirror().book().state(&line.symbol).unwrap();
            state.margin_asset.clone().unwrap().to_string()
        };
        let isolated_wallet = match line.margin_type {
            MarginType::Crossed => Decimal::ZERO,
            MarginType::Isolated => line
                .isolated_wallet
                .unwrap_or_else(|| line.amount.abs() * line.entry / Decimal::from(line.leverage)),
        };
        let position = PositionUpdate {
            symbol: symbol(&line.symbol),
            position_side: side_of(line.position_side),
            quantity: Quantity::new(line.amount),
            entry_price: Price::new(line.entry),
            isolated_wallet: Amount::new(isolated_wallet),
            margin_mode: Some(margin_mode(line.margin_type)),
        };
        let (wallet, cross) = self.balances(&pool);
        self.account_update(&pool, wallet, cross - isolated_wallet, vec![position]);
        if self.core.mirror().mark_meta(&line.symbol).is_none() {
            self.mark(&line.symbol, line.entry);
        }
    }

    /// Tells a mark with the present time.
    pub(crate) fn mark(&mut self, name: &str, price: Decimal) {
        self.mark_at(name, price, self.clock.now().wall_ms);
    }

    /// Tells a last price, or the best of the book, as it was read just now.
    pub(crate) fn quote(&mut self, name: &str, quote: Quote) {
        let symbol = symbol(name);
        self.tell(Event::Quotes(
            self.read(vec![QuoteUpdate { symbol, quote }]),
        ));
    }

    /// Tells a mark with a time of its own.
    pub(crate) fn mark_at(&mut self, name: &str, price: Decimal, event_ms: i64) {
        self.tell(Event::Mark(MarkUpdate {
            symbol: symbol(name),
            mark: MarkPrice::new(Price::new(price)),
            funding_rate: Some(Rate::ZERO),
            next_funding_ms: None,
            event_ms,
        }));
    }

    /// Tells a mark of now with the funding that comes next.
    pub(crate) fn mark_with_funding(
        &mut self,
        name: &str,
        price: Decimal,
        rate: Decimal,
        in_ms: i64,
    ) {
        let now_ms = self.exchange_ms();
        self.tell(Event::Mark(MarkUpdate {
            symbol: symbol(name),
            mark: MarkPrice::new(Price::new(price)),
            funding_rate: Some(Rate::new(rate)),
            next_funding_ms: Some(now_ms + in_ms),
            event_ms: now_ms,
        }));
    }

    /// A read of the working orders that finds one less, if there are so many.
    pub(crate) fn orders_read_without(&mut self, index: usize) {
        let orders = self.core.mirror().orders().iter().cloned().enumerate();
        let left = orders.filter(|(place, _)| *place != index);
        let left = left.map(|(_, order)| order).collect();
        let read = self.orders_read(left);
        self.tell(read);
    }

    fn play_order(&mut self, line: &OrderLine) {
        let intent = intent(line);
        let number = self.next_order;
        self.next_order += 1;
        let id = if intent.kind.is_conditional() {
            OrderId::Algo(number)
        } else {
            OrderId::Order(number)
        };
        let order = OpenOrder {
            id,
            client_order_id: intent.client_order_id.clone().unwrap_or_default(),
            symbol: intent.symbol.clone(),
            side: intent.side,
            position_side: intent.position_side,
            kind: intent.kind,
            remaining: intent.quantity.unwrap_or_default(),
            reduce_only: intent.reduce_only,
            close_position: intent.close_position,
            trigger_by: TriggerBy::Last,
            price_protect: false,
        };
        let at = self.clock.now().wall_ms;
        let event = if intent.kind.is_conditional() {
            Event::AlgoUpdate(AlgoUpdate {
                event_ms: at,
                transaction_ms: at,
                order,
                status: AlgoStatus::Waiting,
                became: None,
                refusal: None,
            })
        } else {
            Event::OrderUpdate(OrderUpdate {
                event_ms: at,
                transaction_ms: at,
                order,
                filled: Quantity::ZERO,
                status: OrderStatus::Working,
                origin: OrderOrigin::Client,
                expiry_reason: None,
            })
        };
        self.tell(event);
    }
}

/// Of regular accounts today: −5,000 of a dollar coin, −0.1 BTC (margin-math §15).
fn thresholds() -> Vec<AutoExchange> {
    let rows = [("USDT", -50_000), ("USDC", -50_000), ("BTC", -1)];
    rows.map(|(name, tenths)| AutoExchange {
        asset: asset(name),
        below: Some(Amount::new(Decimal::new(tenths, 1))),
    })
    .to_vec()
}

fn margin_mode(margin_type: MarginType) -> MarginMode {
    match margin_type {
        MarginType::Crossed => MarginMode::Crossed,
        MarginType::Isolated => MarginMode::Isolated,
    }
}

/// A leg as scenarios name it.
pub(crate) fn side_of(side: scenario::PositionSide) -> PositionSide {
    match side {
        scenario::PositionSide::Both => PositionSide::Both,
        scenario::PositionSide::Long => PositionSide::Long,
        scenario::PositionSide::Short => PositionSide::Short,
    }
}

/// An order written as an `order` line of a scenario, as somebody wants to send it.
pub(crate) fn wanted(words: &str) -> OrderIntent {
    match scenario::parse_line(&format!("order {words}"))
        .unwrap()
        .unwrap()
    {
        Statement::Order(line) => intent(&line),
        other => panic!("{other:?}"),
    }
}

/// An order written as an `order` line of a scenario, as it works at the exchange.
pub(crate) fn working(words: &str, number: i64) -> OpenOrder {
    let intent = wanted(words);
    OpenOrder {
        id: OrderId::Order(number),
        client_order_id: intent.client_order_id.unwrap_or_default(),
        symbol: intent.symbol,
        side: intent.side,
        position_side: intent.position_side,
        kind: intent.kind,
        remaining: intent.quantity.unwrap_or_default(),
        reduce_only: intent.reduce_only,
        close_position: intent.close_position,
        trigger_by: TriggerBy::Last,
        price_protect: false,
    }
}

/// The order that an `order` line writes down.
pub(crate) fn intent(line: &OrderLine) -> OrderIntent {
    let price = line.price.map(Price::new);
    let kind = match (&line.conditional, price) {
        (None, None) => OrderKind::Market,
        (None, Some(price)) => OrderKind::Limit { price },
        (Some(conditional), price) => match (conditional.kind, price) {
            (ConditionalKind::Stop(trigger), None) => OrderKind::StopMarket {
                trigger: Price::new(trigger),
            },
            (ConditionalKind::Stop(trigger), Some(price)) => OrderKind::Stop {
                trigger: Price::new(trigger),
                price,
            },
            (ConditionalKind::TakeProfit(trigger), None) => OrderKind::TakeProfitMarket {
                trigger: Price::new(trigger),
            },
            (ConditionalKind::TakeProfit(trigger), Some(price)) => OrderKind::TakeProfit {
                trigger: Price::new(trigger),
                price,
            },
            (ConditionalKind::Trailing { callback, activate }, _) => {
                OrderKind::TrailingStopMarket {
                    activation: activate.map(Price::new),
                    callback: Rate::new(callback / Decimal::ONE_HUNDRED),
                }
            }
        },
    };
    OrderIntent {
        symbol: symbol(&line.symbol),
        side: match line.side {
            scenario::Side::Buy => Side::Buy,
            scenario::Side::Sell => Side::Sell,
        },
        position_side: side_of(line.position_side),
        kind,
        quantity: line.quantity.map(Quantity::new),
        reduce_only: line.reduce_only,
        close_position: line.close_position,
        client_order_id: line.id.clone(),
    }
}
