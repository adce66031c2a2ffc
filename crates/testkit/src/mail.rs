use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;

use crate::{env, eventually};

/// Mail may take this long: sending is a task behind the answer.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// A received mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The addresses it was delivered to.
    pub to: Vec<String>,
    /// The subject line.
    pub subject: String,
    /// The text body.
    pub text: String,
}

impl Mail {
    /// The first run of exactly six digits in the text.
    pub fn code(&self) -> Option<String> {
        self.text.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() == 6).map(str::to_owned)
    }
}

/// The folder in which mail arrives, one JSON file each: of the tests' mail server, or of a process that delivers
/// into a folder.
#[derive(Clone, Debug)]
pub struct Mailbox {
    dir: PathBuf,
}

impl Mailbox {
    /// The mail server's folder (`GODWIT_TEST_SMTP_DIR`).
    pub fn from_env() -> Self {
        Self { dir: env::smtp_dir() }
    }

    /// Another folder with such files; it need not exist yet.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// What has arrived for this address, oldest first.
    pub fn mails(&self, address: &str) -> Vec<Mail> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&self.dir)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        files.sort();
        let mails = files.iter().filter_map(|path| read_once(path));
        let mine = mails.filter(|mail| mail.to.iter().any(|to| to.eq_ignore_ascii_case(address)));
        mine.map(Arc::unwrap_or_clone).collect()
    }

    /// Waits until at least `count` mails have arrived for this address, and returns the newest.
    pub async fn wait_for(&self, address: &str, count: usize) -> Mail {
        eventually(DELIVERY_TIMEOUT, || async {
            let mut mails = self.mails(address);
            if mails.len() < count {
                return Err(format!("{} of {count} mails to {address} have arrived", mails.len()));
            }
            mails.pop().ok_or_else(|| "no mail was asked for".to_owned())
        })
        .await
    }

    /// Waits for a first mail to this address, and returns the newest.
    pub async fn newest(&self, address: &str) -> Mail {
        self.wait_for(address, 1).await
    }

    /// Waits for a mail with a 6-digit code to this address, and returns the newest one's code.
    pub async fn code(&self, address: &str) -> String {
        eventually(DELIVERY_TIMEOUT, || async { self.mails(address).iter().rev().find_map(Mail::code) }).await
    }
}

/// A file appears whole and never changes, and all tests of a process look through the same ones again and again.
fn read_once(path: &Path) -> Option<Arc<Mail>> {
    static READ: LazyLock<Mutex<HashMap<PathBuf, Arc<Mail>>>> = LazyLock::new(Mutex::default);
    if let Some(mail) = READ.lock().get(path) {
        return Some(Arc::clone(mail));
    }
    let mail = Arc::new(read(path)?);
    READ.lock().insert(path.to_owned(), Arc::clone(&mail));
    Some(mail)
}

fn read(path: &Path) -> Option<Mail> {
    let value: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let to = match value.get("to")? {
        Value::String(address) => vec![address.clone()],
        Value::Array(addresses) => addresses.iter().filter_map(|to| Some(to.as_str()?.to_owned())).collect(),
        _ => return None,
    };
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Mail { to, subject: text("subject"), text: text("text") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_code_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, to: &str, text: &str| {
            let mail = serde_json::json!({"from": "godwit@localhost", "to": [to], "subject": "Code", "text": text});
            std::fs::write(dir.path().join(name), mail.to_string()).unwrap();
        };
        put("1.json", "Ann@example.org", "Your code is 111111.");
        put("2.json", "ann@example.org", "Your code is 222222, made at 20260601120000.");
        put("3.json", "bob@example.org", "Your code is 333333.");
        let mailbox = Mailbox::in_dir(dir.path());
        assert_eq!(mailbox.code("ann@example.org").await, "222222");
        assert_eq!(mailbox.mails("ann@example.org").len(), 2);
    }
}
