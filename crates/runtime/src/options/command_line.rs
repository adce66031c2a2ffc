use std::ffi::OsString;

use clap::{ArgMatches, Command};

use super::OptionGroup;

/// A command whose options are groups.
pub struct CommandLine {
    command: Command,
    groups: Vec<OptionGroup>,
}

/// The values of every group, in the order of the groups, and of the arguments that belong to the command itself.
pub struct Parsed {
    /// The command's own arguments.
    pub command: ArgMatches,
    /// One set of values a group.
    pub groups: Vec<ArgMatches>,
}

impl CommandLine {
    /// `command` with the options of `groups` beside its own arguments.
    #[must_use]
    pub fn new(command: Command, groups: Vec<OptionGroup>) -> Self {
        Self { command, groups }
    }

    /// Reads `arguments` (the first is the program's name), then the environment, then defaults.
    ///
    /// # Errors
    /// When an option is unknown, missing or has a wrong value; the error names the option's variable. `--help` and
    /// `--version` come as errors too: [`clap::Error::exit`] prints them.
    pub fn parse<I>(self, arguments: I) -> Result<Parsed, clap::Error>
    where
        I: IntoIterator<Item: Into<OsString> + Clone>,
    {
        let shown: Vec<_> = self.groups.iter().flat_map(OptionGroup::shown).collect();
        let mut command = self.command.args(shown);
        let scanned = command.try_get_matches_from_mut(arguments)?;
        let groups = self
            .groups
            .into_iter()
            .map(|group| group.parse(&scanned))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.with_cmd(&command))?;
        Ok(Parsed { command: scanned, groups })
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    #[derive(clap::Args)]
    struct First {
        /// Where the first is.
        #[arg(long = "first-url", env = "GODWIT_TEST_OPTION_FIRST_URL", value_name = "GODWIT_TEST_OPTION_FIRST_URL")]
        url: String,
        /// How many.
        #[arg(long = "first-count", value_name = "GODWIT_TEST_OPTION_FIRST_COUNT", default_value_t = 3)]
        count: u16,
    }

    #[derive(clap::Args)]
    struct Second {
        /// Where the second is; same field name, same group name as clap sees it.
        #[arg(long = "second-url", value_name = "GODWIT_TEST_OPTION_SECOND_URL", value_delimiter = ',')]
        url: Vec<String>,
        /// A switch.
        #[arg(long = "second-loud")]
        loud: bool,
    }

    fn parse(arguments: &[&str]) -> Result<(First, Second), clap::Error> {
        let groups = vec![OptionGroup::of::<First>("First"), OptionGroup::of::<Second>("Second")];
        let parsed = CommandLine::new(Command::new("test"), groups).parse(arguments)?;
        Ok((First::from_arg_matches(&parsed.groups[0])?, Second::from_arg_matches(&parsed.groups[1])?))
    }

    #[test]
    fn each_group_reads_its_own_values() {
        let (first, second) =
            parse(&["test", "--first-url=a", "--second-url", "b,c", "--second-loud", "--first-count", "7"]).unwrap();
        assert_eq!((first.url.as_str(), first.count), ("a", 7));
        assert_eq!((second.url, second.loud), (vec!["b".to_owned(), "c".to_owned()], true));
    }

    #[test]
    fn defaults_hold_when_nothing_is_given() {
        let (first, second) = parse(&["test", "--first-url=a"]).unwrap();
        assert_eq!(first.count, 3);
        assert_eq!((second.url, second.loud), (Vec::<String>::new(), false));
    }

    #[test]
    fn an_error_names_the_variable() {
        let missing = parse(&["test"]).err().unwrap().to_string();
        assert!(missing.contains("<GODWIT_TEST_OPTION_FIRST_URL>"), "{missing}");
        let wrong = parse(&["test", "--first-url=a", "--first-count=-1"]).err().unwrap().to_string();
        assert!(wrong.contains("GODWIT_TEST_OPTION_FIRST_COUNT") && wrong.contains("-1"), "{wrong}");
        assert!(parse(&["test", "--first-url=a", "--third=1"]).is_err());
    }

    #[test]
    fn a_default_can_be_replaced() {
        let group = OptionGroup::of::<First>("First").with_default("first-url", "there").with_default("none", "x");
        let parsed = CommandLine::new(Command::new("test"), vec![group]).parse(["test"]).unwrap();
        assert_eq!(First::from_arg_matches(&parsed.groups[0]).unwrap().url, "there");
    }

    #[test]
    fn documentation_sees_the_options() {
        let options: Vec<_> = OptionGroup::of::<First>("First").options().collect();
        assert_eq!(options[0].env.as_deref(), Some("GODWIT_TEST_OPTION_FIRST_URL"));
        assert!(options[0].required);
        assert_eq!(options[1].default.as_deref(), Some("3"));
        assert_eq!(options[1].help, "How many");
    }
}
