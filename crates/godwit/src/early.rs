use std::ffi::OsString;

/// The value of an option that decides which other options there are, or what their defaults are. It is found before
/// the command line is read as a whole; what is wrong with it is left to that.
pub(crate) fn value(arguments: &[OsString], flag: &str, variable: &str) -> Option<String> {
    value_over(arguments, flag, std::env::var_os(variable))
}

/// Whether a variable is set to something.
pub(crate) fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn value_over(arguments: &[OsString], flag: &str, variable: Option<OsString>) -> Option<String> {
    let mut found = variable.map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty());
    let (alone, joined) = (format!("--{flag}"), format!("--{flag}="));
    let mut arguments = arguments.iter().map(|argument| argument.to_string_lossy());
    while let Some(argument) = arguments.next() {
        if let Some(value) = argument.strip_prefix(&joined) {
            found = Some(value.to_owned());
        } else if argument == alone {
            found = arguments.next().map(|value| value.into_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(arguments: &[&str], variable: Option<&str>) -> Option<String> {
        let arguments: Vec<OsString> = arguments.iter().map(Into::into).collect();
        value_over(&arguments, "target", variable.map(Into::into))
    }

    #[test]
    fn a_flag_wins_over_the_variable() {
        assert_eq!(value(&["godwit", "--target=chat"], Some("auth")).as_deref(), Some("chat"));
        assert_eq!(value(&["godwit", "--log", "info", "--target", "chat"], Some("auth")).as_deref(), Some("chat"));
        assert_eq!(value(&["godwit", "--targets=chat"], Some("auth")).as_deref(), Some("auth"));
    }

    #[test]
    fn an_empty_variable_is_none() {
        assert_eq!(value(&["godwit"], Some("")), None);
        assert_eq!(value(&["godwit"], None), None);
    }
}
