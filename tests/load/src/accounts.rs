//! The people who write to each other: registered once, kept in a file, logged in as seldom as possible, because a
//! login costs the server a bcrypt.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use godwit_client::{Client, Error, Options as ClientOptions, Session};
use godwit_contract::auth::v1::{Device, LoginRequest, RegisterRequest, VerifyEmailRequest};
use godwit_contract::v1::Chat;
use godwit_kernel::{Clock as _, DeviceId, Entropy, SystemClock, SystemEntropy};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::mail::Mails;
use crate::options::Options;

/// How many people register or log in at once; most of the time of each is waiting for a mail.
const CONCURRENCY: usize = 16;
/// How long a busy server is asked again.
const PATIENCE: Duration = Duration::from_secs(120);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Beyond the run itself, a token must live so long.
const TOKEN_SLACK: Duration = Duration::from_secs(90);

/// What the accounts file holds.
#[derive(Default, Serialize, Deserialize)]
struct File {
    accounts: Vec<Account>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Account {
    email: String,
    username: String,
    password: String,
    device_id: DeviceId,
    session: Option<Session>,
}

/// A sender and a receiver with their chat.
pub struct Couple {
    pub sender: Client,
    pub receiver: Client,
    pub chat: Chat,
}

/// The people of all pairs and their chats.
pub async fn prepare(options: &Options) -> anyhow::Result<Vec<Couple>> {
    let mut clients = people(options, 2 * usize::try_from(options.pairs)?).await?.into_iter();
    let couples = std::iter::from_fn(|| Some((clients.next()?, clients.next()?)));
    stream::iter(couples.collect::<Vec<_>>()).map(introduce).buffered(CONCURRENCY).try_collect().await
}

/// So many people, logged in with tokens that outlive the run, each at the gateway of their turn.
pub async fn people(options: &Options, count: usize) -> anyhow::Result<Vec<Client>> {
    let mut accounts = options.accounts.as_deref().map(load).transpose()?.unwrap_or_default().accounts;
    accounts.resize_with(accounts.len().max(count), Account::new);
    let mails = options.mail_dir.clone().map(Mails::new);
    let begun_at = Instant::now();
    let people = stream::iter(accounts.iter().take(count).cloned().enumerate())
        .map(|(index, account)| log_in(options, mails.as_ref(), index, account))
        .buffered(CONCURRENCY)
        .try_collect::<Vec<_>>()
        .await;
    let people = people.context("the accounts cannot be made ready")?;
    tracing::info!(count = people.len(), secs = begun_at.elapsed().as_secs(), "accounts are ready");
    for (known, (account, _)) in accounts.iter_mut().zip(&people) {
        known.clone_from(account);
    }
    if let Some(path) = &options.accounts {
        store(path, &File { accounts })?;
    }
    Ok(people.into_iter().map(|(_, client)| client).collect())
}

impl Account {
    fn new() -> Self {
        let entropy: &dyn Entropy = &SystemEntropy;
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let username = format!("load_{}", hex(&entropy.bytes::<8>()));
        Self {
            email: format!("{username}@example.org"),
            username,
            password: hex(&entropy.bytes::<16>()),
            device_id: DeviceId::generate(&SystemClock, entropy),
            session: None,
        }
    }
}

/// The account with its session now, or another one when the server does not know it any more.
async fn log_in(
    options: &Options,
    mails: Option<&Mails>,
    index: usize,
    mut account: Account,
) -> anyhow::Result<(Account, Client)> {
    let client = Client::new(ClientOptions::new(options.gateway(index)?.clone()))?;
    // One that was never registered is not tried: its failure would count against this address.
    let is_new = account.session.is_none();
    if let Some(session) = account.session.take() {
        client.set_session(Some(session));
        if is_usable(&client, options).await? {
            account.session = client.session();
            return Ok((account, client));
        }
    }
    if is_new || login(&client, &account).await.is_err() {
        account = Account::new();
        register(&client, &account, mails.context("--mail-dir is needed to register")?).await?;
        login(&client, &account).await.context("a new account cannot log in")?;
    }
    account.session = client.session();
    Ok((account, client))
}

/// Whether the session still stands, with a token that outlives the run.
async fn is_usable(client: &Client, options: &Options) -> anyhow::Result<bool> {
    let result = patiently(async || {
        let session = client.session().ok_or(Error::LoggedOut)?;
        if session.access_token_expires_at < SystemClock.now() + options.total() + TOKEN_SLACK {
            client.renew_access_token(session.access_token).await?;
        }
        client.get_me().await
    })
    .await;
    match result {
        Ok(_) => Ok(true),
        Err(Error::LoggedOut | Error::Refused(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn register(client: &Client, account: &Account, mails: &Mails) -> anyhow::Result<()> {
    let request = RegisterRequest {
        email: account.email.clone(),
        username: account.username.clone(),
        password: account.password.clone(),
        display_name: "Load".to_owned(),
    };
    patiently(async || client.register(&request).await).await.context("an account cannot be registered")?;
    let code = mails.code(&account.email).await?;
    let request = VerifyEmailRequest { email: account.email.clone(), code };
    patiently(async || client.verify_email(&request).await).await.context("an address cannot be verified")?;
    Ok(())
}

async fn login(client: &Client, account: &Account) -> Result<(), Error> {
    let device =
        Device { id: account.device_id.to_string(), name: "godwit-load".to_owned(), platform: "linux".to_owned() };
    let request =
        LoginRequest { login: account.email.clone(), password: account.password.clone(), device: Some(device) };
    patiently(async || client.login(&request).await).await.map(drop)
}

async fn introduce((sender, receiver): (Client, Client)) -> anyhow::Result<Couple> {
    let receiver_id = receiver.session().context("a receiver is logged out")?.user_id.parse()?;
    let answer = patiently(async || sender.create_direct_chat(receiver_id).await).await;
    let chat = answer.context("a chat cannot be made")?.chat.context("the server answered without a chat")?;
    Ok(Couple { sender, receiver, chat })
}

/// Calls again while the server is busy, as it asks.
pub async fn patiently<T>(call: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match call().await {
            Err(error) if error.is_temporary() && error.status() != Some(401) && Instant::now() < deadline => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the server is busy");
                sleep(error.retry_after().unwrap_or(Duration::from_secs(1)).min(LONGEST_PAUSE)).await;
            }
            result => return result,
        }
    }
}

fn load(path: &Path) -> anyhow::Result<File> {
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).with_context(|| format!("--accounts {}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(File::default()),
        Err(error) => bail!("--accounts {}: {error}", path.display()),
    }
}

fn store(path: &Path, file: &File) -> anyhow::Result<()> {
    let partial = path.with_extension("part");
    // Passwords and tokens are for the owner's eyes.
    let mut output = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&partial)?;
    output.write_all(&serde_json::to_vec_pretty(file)?)?;
    std::fs::rename(&partial, path).with_context(|| format!("--accounts {}", path.display()))
}
