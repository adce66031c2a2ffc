use godwit_kernel::DeviceId;

use super::Problem;

/// The most characters of a device's name and platform.
const NAME_CHARS: usize = 64;
const PLATFORM_CHARS: usize = 32;

/// The installation of a client that logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Made by the client, once.
    pub id: DeviceId,
    /// Such as "Ada's phone".
    pub name: String,
    /// Such as "android".
    pub platform: String,
}

impl Device {
    /// A device's name: 1 to 64 characters, no control characters.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse_name(text: &str) -> Result<String, Problem> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > NAME_CHARS {
            return Err("must be 1 to 64 characters long");
        }
        without_control_characters(text)
    }

    /// A device's platform: at most 32 characters, no control characters.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse_platform(text: &str) -> Result<String, Problem> {
        let text = text.trim();
        if text.chars().count() > PLATFORM_CHARS {
            return Err("must be at most 32 characters long");
        }
        without_control_characters(text)
    }
}

fn without_control_characters(text: &str) -> Result<String, Problem> {
    if text.chars().any(char::is_control) {
        return Err("must not hold control characters");
    }
    Ok(text.to_owned())
}
