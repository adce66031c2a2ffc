use std::fmt;
use std::str::FromStr;

/// A service as a unit of deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Accounts, sessions, profiles.
    Auth,
    /// Chats and their members.
    Chat,
    /// Messages and the update log.
    Message,
    /// Uploads and downloads.
    Media,
    /// Who is online.
    Presence,
    /// Calls.
    Call,
    /// Notifications to devices.
    Push,
    /// Search.
    Search,
    /// The edge to clients.
    Gateway,
}

/// No target has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no target is named {0:?}")]
pub struct UnknownTarget(String);

impl Target {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Auth,
        Self::Chat,
        Self::Message,
        Self::Media,
        Self::Presence,
        Self::Call,
        Self::Push,
        Self::Search,
        Self::Gateway,
    ];

    /// The name in configuration, commands and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Chat => "chat",
            Self::Message => "message",
            Self::Media => "media",
            Self::Presence => "presence",
            Self::Call => "call-signaling",
            Self::Push => "push",
            Self::Search => "search",
            Self::Gateway => "gateway",
        }
    }

    /// Which target serves a gRPC service, such as `godwit.auth.v1.AuthService`; `None` when it is not of the
    /// contract.
    pub fn of_service(full_name: &str) -> Option<Self> {
        match full_name.strip_prefix("godwit.")?.split('.').next()? {
            "call" => Some(Self::Call),
            package => package.parse().ok(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|target| target.as_str() == name).ok_or_else(|| UnknownTarget(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_of_the_contract_has_a_target() {
        for rpc in godwit_contract::rpcs::RPCS {
            assert!(Target::of_service(rpc.service).is_some(), "{}", rpc.service);
        }
        assert_eq!(Target::of_service("grpc.health.v1.Health"), None);
    }
}
