use clap::builder::Resettable;
use clap::{Arg, ArgAction, ArgMatches, Args, Command};

/// Some options that are read together, such as those of one service.
#[derive(Clone)]
pub struct OptionGroup {
    title: String,
    command: Command,
}

/// One option, as documentation shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionInfo {
    /// The environment variable.
    pub env: Option<String>,
    /// The flag, without its dashes.
    pub flag: String,
    /// What the value is called in `--help` and in errors; by convention the variable's name.
    pub value_name: Option<String>,
    /// The value when nothing is set.
    pub default: Option<String>,
    /// The values it may have, when they are few.
    pub possible: Vec<String>,
    /// Whether the process does not start without it.
    pub required: bool,
    /// What it means.
    pub help: String,
}

impl OptionGroup {
    /// The options of `A`.
    #[must_use]
    pub fn of<A: Args>(title: impl Into<String>) -> Self {
        Self::from_command(title, A::augment_args(Command::new("group")))
    }

    pub(crate) fn from_command(title: impl Into<String>, command: Command) -> Self {
        Self { title: title.into(), command: command.no_binary_name(true) }
    }

    /// The heading of the group.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Replaces the default of the option with this flag; nothing happens when there is no such option.
    #[must_use]
    pub fn with_default(mut self, flag: &str, value: impl Into<String>) -> Self {
        let found =
            self.command.get_arguments().find(|arg| arg.get_long() == Some(flag)).map(|arg| arg.get_id().clone());
        if let Some(id) = found {
            let value = clap::builder::OsStr::from(value.into());
            self.command = self.command.mut_arg(id.as_str(), |arg| arg.default_value(value).required(false));
        }
        self
    }

    /// What the group holds, in the order it was declared.
    pub fn options(&self) -> impl Iterator<Item = OptionInfo> + '_ {
        self.arguments().map(info)
    }

    fn arguments(&self) -> impl Iterator<Item = &Arg> {
        self.command.get_arguments().filter(|arg| arg.get_long().is_some())
    }

    /// The same options for the command line that shows all groups: identified by their flags, which are unique over
    /// all groups, and with their text alone; each group checks its own values.
    pub(super) fn shown(&self) -> impl Iterator<Item = Arg> + '_ {
        self.arguments().filter_map(|arg| {
            let flag = arg.get_long()?.to_owned();
            let mut shown = Arg::new(flag.clone())
                .long(flag)
                .help_heading(self.title.clone())
                .help(Resettable::from(arg.get_help().cloned()))
                .long_help(Resettable::from(arg.get_long_help().cloned()))
                .hide_env_values(true)
                .hide(arg.is_hide_set());
            if let Some(env) = arg.get_env() {
                shown = shown.env(clap::builder::OsStr::from(env.to_owned()));
            }
            shown = match arg.get_action() {
                action @ (ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count) => shown.action(action.clone()),
                _ => shown
                    .action(ArgAction::Append)
                    .value_name(Resettable::from(arg.get_value_names().and_then(|names| names.first()).cloned()))
                    .default_values(arg.get_default_values().to_vec())
                    .required(arg.is_required_set()),
            };
            Some(shown)
        })
    }

    /// Reads the group's values: flags that `scanned` found on the command line, then the environment, then defaults.
    pub(super) fn parse(self, scanned: &ArgMatches) -> Result<ArgMatches, clap::Error> {
        let mut arguments = Vec::new();
        for arg in self.arguments() {
            let Some(flag) = arg.get_long() else { continue };
            if scanned.value_source(flag) != Some(clap::parser::ValueSource::CommandLine) {
                continue;
            }
            if !arg.get_action().takes_values() {
                arguments.push(std::ffi::OsString::from(format!("--{flag}")));
                continue;
            }
            for value in scanned.get_raw(flag).into_iter().flatten() {
                let mut argument = std::ffi::OsString::from(format!("--{flag}="));
                argument.push(value);
                arguments.push(argument);
            }
        }
        self.without_empty_variables().command.try_get_matches_from(arguments)
    }

    /// Compose files and charts set variables to nothing to say "not set".
    fn without_empty_variables(mut self) -> Self {
        let is_empty = |arg: &Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        let empty: Vec<_> =
            self.command.get_arguments().filter(|arg| is_empty(arg)).map(|arg| arg.get_id().clone()).collect();
        for id in empty {
            self.command = self.command.mut_arg(id.as_str(), |arg| arg.env(Resettable::Reset));
        }
        self
    }
}

fn info(arg: &Arg) -> OptionInfo {
    let text = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let takes_value = arg.get_action().takes_values();
    OptionInfo {
        env: arg.get_env().map(|env| env.to_string_lossy().into_owned()),
        flag: arg.get_long().unwrap_or_default().to_owned(),
        value_name: arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string),
        default: if takes_value && !defaults.is_empty() { Some(defaults.join(",")) } else { None },
        possible: if takes_value {
            arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect()
        } else {
            Vec::new()
        },
        required: arg.is_required_set(),
        help: text,
    }
}
