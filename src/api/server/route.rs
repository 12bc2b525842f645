//! Which request is meant.
//!
//! Owns: the closed table of routes and what each socket permits.
//! Must not know: how they are answered.

use hyper::Method;

use crate::api::protocol::error::{ErrorCode, Refusal};

/// Which socket a request came in on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Asks, and may lock.
    Check,
    /// May change the guard as well.
    Admin,
    /// Metrics on TCP, nothing else.
    Metrics,
}

/// Every request there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// `POST /v1/check`
    Check,
    /// `POST /v1/size`
    Size,
    /// `POST /v1/stress`
    Stress,
    /// `GET /v1/fix`
    Fix,
    /// `GET /v1/status`
    Status,
    /// `GET /v1/account`
    Account,
    /// `GET /v1/account/explain`
    ExplainAccount,
    /// `GET /v1/positions`
    Positions,
    /// `GET /v1/orders`
    Orders,
    /// `GET /v1/policy`
    Policy,
    /// `GET /v1/decisions`
    Decisions,
    /// `GET /v1/decisions/{id}`
    Decision,
    /// `GET /v1/decisions/{id}/explain`
    ExplainDecision,
    /// `GET /v1/alerts`
    Alerts,
    /// `POST /v1/alerts/{id}/ack`
    Acknowledge,
    /// `POST /v1/alerts/test`
    TestAlerts,
    /// `POST /v1/silences`
    Silence,
    /// `DELETE /v1/silences`
    Unsilence,
    /// `GET /v1/events`
    Events,
    /// `POST /v1/lock`
    Lock,
    /// `DELETE /v1/lock`
    Unlock,
    /// `POST /v1/policy/reload`
    Reload,
    /// `GET /v1/openapi.json`
    OpenApi,
    /// `GET /metrics`
    Metrics,
    /// `GET /healthz`
    Health,
    /// `GET /readyz`
    Ready,
}

impl Route {
    /// Every route.
    pub const ALL: [Self; 26] = [
        Self::Check,
        Self::Size,
        Self::Stress,
        Self::Fix,
        Self::Status,
        Self::Account,
        Self::ExplainAccount,
        Self::Positions,
        Self::Orders,
        Self::Policy,
        Self::Decisions,
        Self::Decision,
        Self::ExplainDecision,
        Self::Alerts,
        Self::Acknowledge,
        Self::TestAlerts,
        Self::Silence,
        Self::Unsilence,
        Self::Events,
        Self::Lock,
        Self::Unlock,
        Self::Reload,
        Self::OpenApi,
        Self::Metrics,
        Self::Health,
        Self::Ready,
    ];

    /// Its method.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Check
            | Self::Size
            | Self::Stress
            | Self::Lock
            | Self::Reload
            | Self::Acknowledge
            | Self::TestAlerts
            | Self::Silence => Method::POST,
            Self::Unlock | Self::Unsilence => Method::DELETE,
            Self::Fix
            | Self::Status
            | Self::Account
            | Self::ExplainAccount
            | Self::Positions
            | Self::Orders
            | Self::Policy
            | Self::Decisions
            | Self::Decision
            | Self::ExplainDecision
            | Self::Alerts
            | Self::Events
            | Self::OpenApi
            | Self::Metrics
            | Self::Health
            | Self::Ready => Method::GET,
        }
    }

    /// Its path; `{id}` stands for one segment.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Check => "/v1/check",
            Self::Size => "/v1/size",
            Self::Stress => "/v1/stress",
            Self::Fix => "/v1/fix",
            Self::Status => "/v1/status",
            Self::Account => "/v1/account",
            Self::ExplainAccount => "/v1/account/explain",
            Self::Positions => "/v1/positions",
            Self::Orders => "/v1/orders",
            Self::Policy => "/v1/policy",
            Self::Decisions => "/v1/decisions",
            Self::Decision => "/v1/decisions/{id}",
            Self::ExplainDecision => "/v1/decisions/{id}/explain",
            Self::Alerts => "/v1/alerts",
            Self::Acknowledge => "/v1/alerts/{id}/ack",
            Self::TestAlerts => "/v1/alerts/test",
            Self::Silence | Self::Unsilence => "/v1/silences",
            Self::Events => "/v1/events",
            Self::Lock | Self::Unlock => "/v1/lock",
            Self::Reload => "/v1/policy/reload",
            Self::OpenApi => "/v1/openapi.json",
            Self::Metrics => "/metrics",
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
        }
    }

    /// True when it is answered on this socket.
    #[must_use]
    pub const fn is_open_on(self, scope: Scope) -> bool {
        match scope {
            Scope::Admin => true,
            Scope::Check => !matches!(
                self,
                Self::Unlock | Self::Reload | Self::TestAlerts | Self::Silence | Self::Unsilence
            ),
            Scope::Metrics => matches!(self, Self::Metrics),
        }
    }

    const fn has_id(self) -> bool {
        matches!(
            self,
            Self::Decision | Self::ExplainDecision | Self::Acknowledge
        )
    }

    /// What stands in the place of `{id}` if this path is the route's; empty where it has none.
    fn id_in(self, path: &str) -> Option<&str> {
        if !self.has_id() {
            return (self.path() == path).then_some("");
        }
        let (before, after) = self.path().split_once("{id}")?;
        let id = path.strip_prefix(before)?.strip_suffix(after)?;
        (!id.is_empty() && !id.contains('/')).then_some(id)
    }

    /// The route of a request, with the `{id}` of its path.
    ///
    /// # Errors
    /// [`Refusal`] with `NOT_FOUND`, `METHOD_NOT_ALLOWED` or `FORBIDDEN`.
    pub fn find<'p>(
        method: &Method,
        path: &'p str,
        scope: Scope,
    ) -> Result<(Self, &'p str), Refusal> {
        let matches = |route: &Self| route.id_in(path).is_some();
        let mut of_path = Self::ALL.into_iter().filter(matches).peekable();
        let visible =
            scope != Scope::Metrics || of_path.peek().is_some_and(|r| r.is_open_on(scope));
        if of_path.peek().is_none() || !visible {
            return Err(Refusal::new(ErrorCode::NotFound, "There is no such path."));
        }
        let route = of_path.find(|route| route.method() == *method);
        let Some(route) = route else {
            let message = "This path is not asked with this method.";
            return Err(Refusal::new(ErrorCode::MethodNotAllowed, message));
        };
        if !route.is_open_on(scope) {
            let message = "This changes the guard: ask on admin.sock.";
            return Err(Refusal::new(ErrorCode::Forbidden, message));
        }
        Ok((route, route.id_in(path).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(method: &Method, path: &str, scope: Scope) -> ErrorCode {
        Route::find(method, path, scope).unwrap_err().code
    }

    #[test]
    fn every_route_is_found_by_its_own_method_and_path() {
        for route in Route::ALL {
            let path = route.path().replace("{id}", "01J");
            let found = Route::find(&route.method(), &path, Scope::Admin).unwrap();
            assert_eq!(found.0, route);
        }
        let (_, id) = Route::find(&Method::GET, "/v1/decisions/01J", Scope::Check).unwrap();
        assert_eq!(id, "01J");
    }

    #[test]
    fn anything_else_is_refused_for_what_it_is() {
        let check = Scope::Check;
        assert_eq!(
            code(&Method::GET, "/v1/nothing", check),
            ErrorCode::NotFound
        );
        assert_eq!(
            code(&Method::GET, "/v1/decisions/", check),
            ErrorCode::NotFound
        );
        assert_eq!(
            code(&Method::GET, "/v1/decisions/a/b", check),
            ErrorCode::NotFound
        );
        assert_eq!(
            code(&Method::GET, "/v1/check", check),
            ErrorCode::MethodNotAllowed
        );
        assert_eq!(
            code(&Method::DELETE, "/v1/lock", check),
            ErrorCode::Forbidden
        );
        assert_eq!(
            code(&Method::POST, "/v1/policy/reload", check),
            ErrorCode::Forbidden
        );
        let tcp = Scope::Metrics;
        assert_eq!(code(&Method::POST, "/v1/check", tcp), ErrorCode::NotFound);
        assert!(Route::find(&Method::GET, "/metrics", tcp).is_ok());
    }
}
