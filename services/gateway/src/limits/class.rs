use std::fmt;
use std::str::FromStr;

use godwit_contract::rest::RestRoute;

/// What a route costs, and so what its calls are counted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Reads something by its id, or a page of a list.
    Read,
    /// Changes something.
    Write,
    /// Puts words before others.
    Send,
    /// Catches up: many rows at once, and asked for by many at once after an outage.
    Sync,
    /// Looks for what the caller has no id of.
    Search,
    /// Moves files, or has them moved.
    Media,
    /// Costs auth a password hash or a mail.
    Login,
    /// Anything else without an access token.
    Open,
}

const AUTH: &str = "godwit.auth.v1.AuthService";
const CHANNELS: &str = "godwit.chat.v1.ChannelService";
const INVITES: &str = "godwit.chat.v1.InviteService";
const MEDIA: &str = "godwit.media.v1.MediaService";
const MESSAGES: &str = "godwit.message.v1.MessageService";
const SCHEDULED: &str = "godwit.message.v1.ScheduledService";
const SEARCH: &str = "godwit.search.v1.SearchService";
const USERS: &str = "godwit.auth.v1.UserService";

/// Every RPC of a service.
const ALL: &str = "*";

/// The routes whose class does not follow from their verb.
const CLASSES: &[(&str, &str, Class)] = &[
    (AUTH, "Register", Class::Login),
    (AUTH, "VerifyEmail", Class::Login),
    (AUTH, "ResendCode", Class::Login),
    (AUTH, "Login", Class::Login),
    (AUTH, "ForgotPassword", Class::Login),
    (AUTH, "ResetPassword", Class::Login),
    (AUTH, "VerifyTwoFactor", Class::Login),
    (AUTH, "ConfirmTwoFactor", Class::Login),
    (AUTH, "DisableTwoFactor", Class::Login),
    (USERS, "ChangePassword", Class::Login),
    (USERS, "DeleteMe", Class::Login),
    (USERS, "GetUserByUsername", Class::Search),
    (CHANNELS, "GetChannel", Class::Search),
    (INVITES, "GetInvite", Class::Search),
    (INVITES, "JoinByInvite", Class::Search),
    (MESSAGES, "SendMessage", Class::Send),
    (MESSAGES, "ForwardMessages", Class::Send),
    (MESSAGES, "EditMessage", Class::Send),
    (MESSAGES, "SyncChat", Class::Sync),
    (MESSAGES, "Sync", Class::Sync),
    (SCHEDULED, "ScheduleMessage", Class::Send),
    (MEDIA, ALL, Class::Media),
    (SEARCH, ALL, Class::Search),
];

impl Class {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Read, Self::Write, Self::Send, Self::Sync, Self::Search, Self::Media, Self::Login, Self::Open];

    /// Of a route.
    pub fn of(route: &RestRoute) -> Self {
        let is_meant =
            |(service, rpc, _): &&(&str, &str, Self)| *service == route.service && (*rpc == route.rpc || *rpc == ALL);
        match CLASSES.iter().find(is_meant) {
            Some((_, _, class)) => *class,
            None if route.is_open => Self::Open,
            None if route.verb == "GET" => Self::Read,
            None => Self::Write,
        }
    }

    /// Its name in headers, metrics and the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Send => "send",
            Self::Sync => "sync",
            Self::Search => "search",
            Self::Media => "media",
            Self::Login => "login",
            Self::Open => "open",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The rate of one class, as it is configured: `search=5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassRate {
    /// Of these calls.
    pub class: Class,
    /// In the long run; four times as many at once.
    pub per_sec: u32,
}

impl FromStr for ClassRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, per_sec) = text.split_once('=').ok_or("it must be like search=5")?;
        let class = Class::ALL.into_iter().find(|class| class.name() == name.trim());
        let class = class
            .ok_or_else(|| format!("there is no class {name:?} but {}", Class::ALL.map(Class::name).join(", ")))?;
        let per_sec = per_sec.trim().parse().ok().filter(|per_sec| (1..=1_000_000).contains(per_sec));
        Ok(Self { class, per_sec: per_sec.ok_or("the rate must be a number from 1 to 1000000")? })
    }
}

#[cfg(test)]
mod tests {
    use godwit_contract::rest::REST_ROUTES;

    use super::*;

    #[test]
    fn the_table_names_routes_of_the_contract_only() {
        for (service, rpc, class) in CLASSES {
            let mut named = REST_ROUTES.iter().filter(|route| route.service == *service);
            assert!(named.any(|route| route.rpc == *rpc || *rpc == ALL), "{service}/{rpc}");
            assert!(!matches!(class, Class::Read | Class::Write | Class::Open), "{rpc}: follows from the verb");
        }
    }

    #[test]
    fn every_route_has_a_class_that_fits_who_may_call_it() {
        for route in REST_ROUTES {
            match Class::of(route) {
                Class::Open => assert!(route.is_open, "{route:?}"),
                Class::Login => {}
                Class::Write => assert!(!route.is_open && route.verb != "GET", "{route:?}"),
                _ => assert!(!route.is_open, "{route:?}"),
            }
        }
        for class in Class::ALL {
            assert!(REST_ROUTES.iter().any(|route| Class::of(route) == class), "{class}");
        }
    }

    #[test]
    fn calls_that_take_a_password_are_counted_with_logins() {
        for rpc in ["Login", "Register", "ResetPassword", "ChangePassword", "DeleteMe", "DisableTwoFactor"] {
            let route = REST_ROUTES.iter().find(|route| route.rpc == rpc).unwrap();
            assert_eq!(Class::of(route), Class::Login, "{rpc}");
        }
    }

    #[test]
    fn a_rate_is_read_and_a_wrong_one_says_what_is_wrong() {
        assert_eq!("search=5".parse(), Ok(ClassRate { class: Class::Search, per_sec: 5 }));
        for (text, told) in
            [("search", "like search=5"), ("fly=1", "no class"), ("read=0", "from 1"), ("read=x", "from 1")]
        {
            let error = text.parse::<ClassRate>().unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
