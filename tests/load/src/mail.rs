use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_secs(60);

/// A folder in which mails arrive, one JSON file each: `{"from", "to", "subject", "text"}`.
pub struct Mails {
    dir: PathBuf,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    /// Thousands wait for their codes at once: the folder is read for all of them together.
    looked_at: Option<Instant>,
    files: HashSet<OsString>,
    /// The newest code by address.
    codes: HashMap<String, String>,
}

impl Mails {
    /// Nothing is read yet.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, read: Mutex::default() }
    }

    /// Waits for the code that was mailed to this address.
    pub async fn code(&self, address: &str) -> anyhow::Result<String> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            self.look()?;
            if let Some(code) = self.read.lock().codes.remove(address) {
                return Ok(code);
            }
            anyhow::ensure!(Instant::now() < deadline, "no mail with a code to {address} in {}", self.dir.display());
            sleep(PAUSE).await;
        }
    }

    fn look(&self) -> anyhow::Result<()> {
        let mut read = self.read.lock();
        if read.looked_at.is_some_and(|at| at.elapsed() < PAUSE / 2) {
            return Ok(());
        }
        read.looked_at = Some(Instant::now());
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            // Made with the first mail.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("--mail-dir {}", self.dir.display())),
        };
        let mut new: Vec<OsString> = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            // A mail that is being written has a hidden name.
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            let is_mail = Path::new(&name).extension().is_some_and(|extension| extension == "json") && !is_hidden;
            if is_mail && !read.files.contains(&name) {
                new.push(name);
            }
        }
        // The names sort by time.
        new.sort();
        for name in new {
            // One that cannot be parsed may be half written: it is read again.
            let Some((to, code)) = parse(&std::fs::read(self.dir.join(&name))?) else { continue };
            read.files.insert(name);
            if let Some(code) = code {
                read.codes.extend(to.into_iter().map(|address| (address, code.clone())));
            }
        }
        Ok(())
    }
}

/// To whom a mail went, and the six digits in it.
fn parse(file: &[u8]) -> Option<(Vec<String>, Option<String>)> {
    let mail: Value = serde_json::from_slice(file).ok()?;
    let to = match mail.get("to")? {
        Value::String(address) => vec![address.to_lowercase()],
        Value::Array(addresses) => addresses.iter().filter_map(|to| Some(to.as_str()?.to_lowercase())).collect(),
        _ => Vec::new(),
    };
    let text = mail.get("text").and_then(Value::as_str).unwrap_or_default();
    let code = text.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() == 6);
    Some((to, code.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_code_to_an_address_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let mails = Mails::new(dir.path().join("mails"));
        mails.look().unwrap();
        std::fs::create_dir(dir.path().join("mails")).unwrap();
        let put = |name: &str, content: &str| std::fs::write(dir.path().join("mails").join(name), content).unwrap();
        put("1.json", r#"{"to": ["Ann@example.org"], "text": "Your code is\n\n111111\n"}"#);
        put("2.json", r#"{"to": "ann@example.org", "text": "It is 222222, of 20260601."}"#);
        put("3.json", r#"{"to": ["bob@example.org"], "te"#);
        put(".4.json", r#"{"to": ["ann@example.org"], "text": "444444"}"#);
        put("4.part", r#"{"to": ["ann@example.org"], "text": "333333"}"#);
        assert_eq!(mails.code("ann@example.org").await.unwrap(), "222222");
        put("3.json", r#"{"to": ["bob@example.org"], "text": "444444"}"#);
        assert_eq!(mails.code("bob@example.org").await.unwrap(), "444444");
    }
}
