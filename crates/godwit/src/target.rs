use std::ffi::OsString;

use clap::builder::{StringValueParser, TypedValueParser};
use godwit_rpc::Target;

use crate::early;

/// Which services.
#[derive(clap::Args)]
pub(crate) struct TargetOptions {
    /// The services to run, separated by commas: auth, chat, message, media, presence, call-signaling, push, search,
    /// gateway; or all.
    #[arg(
        long = "target",
        env = "GODWIT_TARGET",
        value_name = "GODWIT_TARGET",
        default_value = "all",
        value_delimiter = ',',
        value_parser = StringValueParser::new().try_map(|name: String| parse(&name))
    )]
    pub target: Vec<Selection>,
}

/// One name of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    All,
    One(Target),
}

fn parse(name: &str) -> Result<Selection, String> {
    if name == "all" {
        return Ok(Selection::All);
    }
    let known = || Target::ALL.map(Target::as_str).join(", ");
    name.parse().map(Selection::One).map_err(|_| format!("not a service; there are {}, and all", known()))
}

/// The services that a list of names means, nothing for a wrong name: reading the options refuses it.
pub(crate) fn targets(names: &str) -> Vec<Target> {
    let mut targets = Vec::new();
    for name in names.split(',') {
        match parse(name) {
            Ok(Selection::All) => return Target::ALL.to_vec(),
            Ok(Selection::One(target)) if !targets.contains(&target) => targets.push(target),
            Ok(Selection::One(_)) | Err(_) => {}
        }
    }
    targets
}

/// The services that the command line or the environment asks for.
pub(crate) fn requested(arguments: &[OsString]) -> Vec<Target> {
    targets(early::value(arguments, "target", "GODWIT_TARGET").as_deref().unwrap_or("all"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_targets_once() {
        assert_eq!(targets("all"), Target::ALL);
        assert_eq!(targets("auth,all"), Target::ALL);
        assert_eq!(targets("chat,call-signaling,chat"), [Target::Chat, Target::Call]);
        assert_eq!(targets("chat,cat"), [Target::Chat]);
    }
}
