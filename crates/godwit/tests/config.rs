//! `docs/CONFIG.md`, and the options it is made from.

use std::collections::BTreeSet;
use std::path::Path;

use godwit_runtime::options::OptionInfo;

/// Set to write the file anew instead of comparing it.
const UPDATE: &str = "GODWIT_UPDATE_DOCS";

/// Variables whose names others have fixed.
const FOREIGN: [&str; 1] = ["OTEL_EXPORTER_OTLP_ENDPOINT"];

fn options() -> Vec<(String, OptionInfo)> {
    let groups = godwit::config::groups();
    groups.iter().flat_map(|group| group.options().map(|option| (group.title().to_owned(), option))).collect()
}

#[test]
fn the_documentation_is_what_the_processes_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/CONFIG.md");
    let wanted = godwit::config::markdown();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/CONFIG.md is out of date: {UPDATE}=1 cargo test -p godwit --test config");
}

#[test]
fn every_option_has_a_variable_a_flag_and_a_meaning_of_its_own() {
    let mut variables = BTreeSet::new();
    let mut flags = BTreeSet::new();
    for (group, option) in options() {
        let variable = option.env.clone().unwrap_or_else(|| panic!("--{} of {group} has no variable", option.flag));
        assert!(variables.insert(variable.clone()), "{variable} of {group} exists twice");
        assert!(flags.insert(option.flag.clone()), "--{} of {group} exists twice", option.flag);
        assert!(option.help.len() > 10, "{variable} has no meaning");
        if FOREIGN.contains(&variable.as_str()) {
            continue;
        }
        // The flags of a tool's own options need not repeat the tool's name.
        let prefix = match group.as_str() {
            group if group.starts_with("S3 server") => "GODWIT_S3_",
            group if group.starts_with("Members of the call group") => "GODWIT_CALL_MEMBERS_",
            _ => "GODWIT_",
        };
        let by_flag = format!("{prefix}{}", option.flag.to_ascii_uppercase().replace('-', "_"));
        assert_eq!(by_flag, variable, "the flag of {group} is named otherwise");
        assert_eq!(option.value_name.as_deref(), Some(variable.as_str()), "errors name another thing than {variable}");
    }
}

#[test]
fn options_of_a_service_begin_with_its_name() {
    let common = godwit::config::common_flags();
    for service in godwit::services::ALL {
        let name = service.target.as_str();
        let prefix = name.split('-').next().unwrap();
        for option in service.options().options() {
            assert!(option.flag.starts_with(&format!("{prefix}-")), "--{} of {name}", option.flag);
            assert!(!common.contains(&option.flag), "--{} of {name} is a common option", option.flag);
        }
    }
}
