use std::path::PathBuf;

use anyhow::Context as _;
use godwit_runtime::Secret;
use lettre::message::Mailbox;
use time::Duration;

use crate::app::{Lifetimes, PasswordOptions};
use crate::domain::{KeyRule, Seal};
use crate::mail::{Outbound, Sender};

/// Options of the auth service.
#[derive(clap::Args)]
pub struct Config {
    /// The mail server: smtps://user:password@host, smtp://…?tls=required for STARTTLS, or smtp://host:port for a
    /// server on this machine. Either this or GODWIT_AUTH_MAIL_DIR.
    #[arg(
        long = "auth-smtp-url",
        env = "GODWIT_AUTH_SMTP_URL",
        value_name = "GODWIT_AUTH_SMTP_URL",
        hide_env_values = true
    )]
    smtp_url: Option<Secret>,
    /// For development: mails are written to this folder instead of being sent, one JSON file each, and codes are
    /// printed to the log.
    #[arg(long = "auth-mail-dir", env = "GODWIT_AUTH_MAIL_DIR", value_name = "GODWIT_AUTH_MAIL_DIR")]
    mail_dir: Option<PathBuf>,
    /// The sender of all mails.
    #[arg(
        long = "auth-mail-from",
        env = "GODWIT_AUTH_MAIL_FROM",
        value_name = "GODWIT_AUTH_MAIL_FROM",
        default_value = "Godwit <godwit@localhost>"
    )]
    mail_from: String,
    /// Encrypts the keys that this service stores in its database; at least 32 characters, the same for all replicas.
    /// Without it they are stored as they are.
    #[arg(
        long = "auth-key-secret",
        env = "GODWIT_AUTH_KEY_SECRET",
        value_name = "GODWIT_AUTH_KEY_SECRET",
        hide_env_values = true
    )]
    key_secret: Option<Secret>,
    /// How long a code is valid, in seconds.
    #[arg(
        long = "auth-code-ttl-secs",
        env = "GODWIT_AUTH_CODE_TTL_SECS",
        value_name = "GODWIT_AUTH_CODE_TTL_SECS",
        default_value_t = 900,
        value_parser = clap::value_parser!(u32).range(60..=86_400)
    )]
    code_ttl_secs: u32,
    /// How long an access token is valid, in seconds.
    #[arg(
        long = "auth-access-token-ttl-secs",
        env = "GODWIT_AUTH_ACCESS_TOKEN_TTL_SECS",
        value_name = "GODWIT_AUTH_ACCESS_TOKEN_TTL_SECS",
        default_value_t = 900,
        value_parser = clap::value_parser!(u32).range(60..=86_400)
    )]
    access_token_ttl_secs: u32,
    /// How long a session lives that is not refreshed, in days.
    #[arg(
        long = "auth-session-idle-days",
        env = "GODWIT_AUTH_SESSION_IDLE_DAYS",
        value_name = "GODWIT_AUTH_SESSION_IDLE_DAYS",
        default_value_t = 180,
        value_parser = clap::value_parser!(u16).range(1..=3_650)
    )]
    session_idle_days: u16,
    /// The cost of password hashes: 2^cost rounds of bcrypt. Below 10 is for tests.
    #[arg(
        long = "auth-bcrypt-cost",
        env = "GODWIT_AUTH_BCRYPT_COST",
        value_name = "GODWIT_AUTH_BCRYPT_COST",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(4..=16)
    )]
    bcrypt_cost: u32,
    /// How many passwords are hashed at once, each by a thread of low priority that takes a core. Without it half the
    /// cores, but at least one.
    #[arg(
        long = "auth-password-workers",
        env = "GODWIT_AUTH_PASSWORD_WORKERS",
        value_name = "GODWIT_AUTH_PASSWORD_WORKERS",
        value_parser = clap::value_parser!(u16).range(1..=256)
    )]
    password_workers: Option<u16>,
    /// How many more passwords may wait to be hashed; the next is refused.
    #[arg(
        long = "auth-password-queue",
        env = "GODWIT_AUTH_PASSWORD_QUEUE",
        value_name = "GODWIT_AUTH_PASSWORD_QUEUE",
        default_value_t = 64,
        value_parser = clap::value_parser!(u16).range(0..=10_000)
    )]
    password_queue: u16,
    /// How old the newest key that signs access tokens gets before it has a successor, in days.
    #[arg(
        long = "auth-key-rotation-days",
        env = "GODWIT_AUTH_KEY_ROTATION_DAYS",
        value_name = "GODWIT_AUTH_KEY_ROTATION_DAYS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u16).range(1..=3_650)
    )]
    key_rotation_days: u16,
    /// What the token of a password reset is put behind to make the link in its mail, such as
    /// https://chat.example/reset#token=. Without it the mail brings the token alone.
    #[arg(long = "auth-reset-url", env = "GODWIT_AUTH_RESET_URL", value_name = "GODWIT_AUTH_RESET_URL")]
    reset_url: Option<String>,
}

impl Config {
    /// The lengths of time.
    pub(crate) fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            code: Duration::seconds(self.code_ttl_secs.into()),
            access_token: Duration::seconds(self.access_token_ttl_secs.into()),
            session: Duration::days(self.session_idle_days.into()),
        }
    }

    /// The bounds of password hashing.
    pub(crate) fn passwords(&self) -> PasswordOptions {
        PasswordOptions {
            cost: self.bcrypt_cost,
            workers: self.password_workers.map_or_else(half_the_cores, usize::from),
            queue: self.password_queue.into(),
        }
    }

    /// How often signing keys change.
    pub(crate) fn key_rule(&self) -> KeyRule {
        KeyRule { rotation: Duration::days(self.key_rotation_days.into()), token_life: self.lifetimes().access_token }
    }

    /// What reset tokens are put behind, if anything.
    pub(crate) fn reset_url(&self) -> anyhow::Result<Option<String>> {
        let Some(url) = &self.reset_url else { return Ok(None) };
        let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>'));
        anyhow::ensure!(url.contains("://") && is_plain, "GODWIT_AUTH_RESET_URL is not the beginning of a URL");
        Ok(Some(url.clone()))
    }

    /// What stored keys are sealed with, if anything.
    pub(crate) fn seal(&self) -> anyhow::Result<Option<Seal>> {
        let seal = self.key_secret.as_ref().map(|secret| Seal::new(secret.expose())).transpose();
        seal.context("GODWIT_AUTH_KEY_SECRET cannot be used")
    }

    /// Where mails go, and from whom.
    pub(crate) fn sender(&self) -> anyhow::Result<Sender> {
        let outbound = match (&self.smtp_url, &self.mail_dir) {
            (Some(url), None) => Outbound::smtp(url.expose()).context("GODWIT_AUTH_SMTP_URL cannot be used")?,
            (None, Some(dir)) => Outbound::folder(dir.clone()),
            (None, None) => anyhow::bail!("either GODWIT_AUTH_SMTP_URL or GODWIT_AUTH_MAIL_DIR must be set"),
            (Some(_), Some(_)) => anyhow::bail!("GODWIT_AUTH_SMTP_URL and GODWIT_AUTH_MAIL_DIR exclude each other"),
        };
        let from: Mailbox = self.mail_from.parse().context("GODWIT_AUTH_MAIL_FROM is not a mail address")?;
        Ok(Sender::new(outbound, from))
    }
}

fn half_the_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}
