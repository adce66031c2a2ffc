//! `godwit config`: the documentation of all options, generated from what the processes read.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write;
use std::process::ExitCode;

use godwit_runtime::options::{CommonOptions, OptionGroup, OptionInfo};
use godwit_runtime::{CommandLine, Process};

use crate::call_members::CallMembersOptions;
use crate::cli::{answer, command_named};
use crate::dev::DevOptions;
use crate::s3::S3Options;
use crate::services;
use crate::target::TargetOptions;

const INTRODUCTION: &str = "# Configuration

Every option is an environment variable and, under the same name in lower case without `GODWIT_`, a flag:
`GODWIT_LOG=debug` is `--log=debug`. A flag wins over the variable; an empty variable counts as not set. A process reads
all of them once, when it starts, and does not start when one is wrong: the error names the variable.

`godwit` reads the common options and those of the services it runs; the binary of a single service likewise. `godwit
doctor` reads the same options and checks every part they name.

This file is generated: `GODWIT_UPDATE_DOCS=1 cargo test -p godwit --test config` writes it anew.
";

pub(crate) fn main(arguments: Vec<OsString>) -> ExitCode {
    let command = command_named("godwit config", "Print the documentation of all options, as Markdown");
    match CommandLine::new(command, Vec::new()).parse(arguments) {
        Ok(_) => answer(markdown().trim_end()),
        Err(error) => error.exit(),
    }
}

/// Every group of options that some Godwit process reads.
#[must_use]
pub fn groups() -> Vec<OptionGroup> {
    let mut groups = vec![OptionGroup::of::<TargetOptions>("Which services (`godwit`)")];
    groups.extend(Process::option_groups(&services::ALL));
    groups.push(OptionGroup::of::<DevOptions>("One machine (`godwit dev`)"));
    groups.push(OptionGroup::of::<CallMembersOptions>("Members of the call group (`godwit call-members`)"));
    groups.push(OptionGroup::of::<S3Options>("S3 server (`godwit s3`)"));
    groups
}

/// The names of the options that every process reads, for the checks on names.
#[must_use]
pub fn common_flags() -> BTreeSet<String> {
    OptionGroup::of::<CommonOptions>("").options().map(|option| option.flag).collect()
}

/// The content of `docs/CONFIG.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for group in groups() {
        let options: Vec<_> = group.options().collect();
        if options.is_empty() {
            continue;
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "\n## {}\n\n| variable | default | meaning |\n|---|---|---|\n", group.title());
        for option in options {
            let _ = writeln!(text, "{}", row(&option));
        }
    }
    text
}

fn row(option: &OptionInfo) -> String {
    let name = option.env.clone().unwrap_or_else(|| format!("--{}", option.flag));
    let default = match &option.default {
        Some(default) if default.is_empty() => "empty".to_owned(),
        Some(default) => format!("`{default}`"),
        None if option.required => "**required**".to_owned(),
        None => "–".to_owned(),
    };
    let mut meaning = option.help.replace('\n', " ").replace('|', "\\|");
    if !meaning.ends_with(['.', '?', '!']) {
        meaning.push('.');
    }
    if !option.possible.is_empty() {
        let _ = write!(meaning, " One of: `{}`.", option.possible.join("`, `"));
    }
    format!("| `{name}` | {default} | {meaning} |")
}
