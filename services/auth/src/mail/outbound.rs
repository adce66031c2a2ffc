use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::response::Severity;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::{Dispatch, Letter};

const SMTP_TIMEOUT: Duration = Duration::from_secs(15);
const SMTP_CONNECTIONS: u32 = 4;
const SMTP_IDLE: Duration = Duration::from_secs(30);

/// How letters leave.
pub enum Outbound {
    /// By a mail server.
    Smtp(Relay),
    /// Not at all: into a folder, for development.
    Folder(Folder),
}

/// A letter has not left.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It never will: the server refuses it.
    #[error("the mail is refused")]
    Rejected(#[source] Box<dyn StdError + Send + Sync>),
    /// It may later.
    #[error("the mail cannot be sent now")]
    Later(#[source] Box<dyn StdError + Send + Sync>),
}

impl Outbound {
    /// By the mail server of this URL. Nothing is connected yet.
    ///
    /// # Errors
    /// When the URL is none that lettre knows.
    pub fn smtp(url: &str) -> Result<Self, lettre::transport::smtp::Error> {
        let pool = PoolConfig::new().max_size(SMTP_CONNECTIONS).idle_timeout(SMTP_IDLE);
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)?;
        Ok(Self::Smtp(Relay(builder.timeout(Some(SMTP_TIMEOUT)).pool_config(pool).build())))
    }

    /// Into this folder, which is made when the first letter is put there.
    pub fn folder(dir: PathBuf) -> Self {
        Self::Folder(Folder(dir))
    }

    /// Whether letters can leave now, for `godwit doctor`.
    ///
    /// # Errors
    /// When they cannot.
    pub async fn check(&self) -> anyhow::Result<String> {
        match self {
            Self::Smtp(relay) => {
                anyhow::ensure!(relay.0.test_connection().await?, "the mail server does not answer NOOP");
                Ok("the mail server answers".to_owned())
            }
            Self::Folder(folder) => {
                folder.make().await?;
                Ok(format!("mails are put into {}", folder.0.display()))
            }
        }
    }
}

/// A mail server, with a pool of connections.
pub struct Relay(AsyncSmtpTransport<Tokio1Executor>);

impl Relay {
    pub(super) async fn send(&self, message: Message) -> Result<(), SendError> {
        match self.0.send(message).await {
            Ok(_) => Ok(()),
            Err(error) if is_final(&error) => Err(SendError::Rejected(Box::new(error))),
            Err(error) => Err(SendError::Later(Box::new(error))),
        }
    }
}

/// A permanent answer (5yz) is about this letter, unless it is about our own login (RFC 4954: 530, 534, 535, 538),
/// which an operator can mend.
fn is_final(error: &lettre::transport::smtp::Error) -> bool {
    let Some(code) = error.status() else { return false };
    code.severity == Severity::PermanentNegativeCompletion && !matches!(u16::from(code), 530 | 534 | 535 | 538)
}

/// A folder in which each letter is a JSON file `{"from", "to", "subject", "text", "html"}`; the names sort by time.
pub struct Folder(PathBuf);

impl Folder {
    pub(super) async fn put(&self, from: &Mailbox, dispatch: &Dispatch<'_>) -> Result<(), SendError> {
        let later = |error: std::io::Error| SendError::Later(Box::new(error));
        self.make().await.map_err(later)?;
        let mail = serde_json::json!({
            "from": from.email.to_string(),
            "to": [dispatch.to.as_str()],
            "subject": dispatch.letter.subject(),
            "text": dispatch.letter.text(),
            "html": dispatch.letter.html(),
        });
        let name = format!("{:020}-{}", dispatch.now.unix_timestamp_nanos() / 1_000, dispatch.message_id);
        let (unfinished, finished) = (self.0.join(format!(".{name}.part")), self.0.join(format!("{name}.json")));
        // Renamed when it is whole: whoever reads the folder never sees half a mail.
        tokio::fs::write(&unfinished, mail.to_string()).await.map_err(later)?;
        tokio::fs::rename(&unfinished, &finished).await.map_err(later)?;
        tell(dispatch.letter, &finished);
        Ok(())
    }

    async fn make(&self) -> Result<(), std::io::Error> {
        tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).await
    }
}

/// The one place where a code or a token is printed: for who develops on this machine and has no mailbox.
fn tell(letter: &Letter, file: &Path) {
    match letter {
        Letter::VerificationCode { code, .. } => {
            tracing::info!("DEVELOPMENT MAIL: the verification code is {} ({})", code.as_str(), file.display());
        }
        Letter::PasswordReset { token, .. } => {
            tracing::info!("DEVELOPMENT MAIL: the reset token is {} ({})", token.to_text(), file.display());
        }
        other => tracing::info!("DEVELOPMENT MAIL: {} ({})", other.subject(), file.display()),
    }
}
