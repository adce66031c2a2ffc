//! More sockets than one address has ports, and what goes wrong with them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use godwit_client::Client;
use godwit_contract::chat::v1::{AddMembersRequest, CreateGroupRequest};
use godwit_kernel::ChatId;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite;
use url::Url;

use crate::accounts::patiently;
use crate::options::{Encoding, Options};
use crate::wire::Socket;

/// Connections from one address; Linux has ports for 28,232 by default.
const SOCKETS_OF_ADDRESS: usize = 20_000;
/// Members that are added by one call.
const ADDED_AT_ONCE: usize = 200;
const CONCURRENCY: usize = 16;
/// How often a gateway is asked that is busy.
const TRIES: usize = 20;

/// The loopback address for the socket of this number. Generators that run side by side have addresses of their own.
pub fn source(number: usize) -> Option<IpAddr> {
    let address = u8::try_from(number / SOCKETS_OF_ADDRESS + 1).ok()?;
    let [.., high, low] = std::process::id().to_be_bytes();
    Some(Ipv4Addr::new(127, high, low, address).into())
}

/// What was opened, and why the others were not, with how often.
pub struct Opened {
    pub sockets: Vec<Socket>,
    pub failures: Failures,
}

/// How often sockets were not opened, by why.
pub type Failures = BTreeMap<String, u64>;

/// Opens sockets, so many at once, for the clients in turn: the first of them on the first gateway, and so on.
pub async fn open(options: &Options, clients: &[Client], count: usize, at_once: usize) -> anyhow::Result<Opened> {
    let mut sockets = Vec::with_capacity(count);
    let failures = open_each(options, clients, count, at_once, |socket| sockets.push(socket)).await?;
    Ok(Opened { sockets, failures })
}

/// As [`open`], and gives each socket away at once: who opens more than can be opened within a heartbeat must read them
/// meanwhile.
pub async fn open_each(
    options: &Options,
    clients: &[Client],
    count: usize,
    at_once: usize,
    mut take: impl FnMut(Socket),
) -> anyhow::Result<Failures> {
    let mut tokens = Vec::with_capacity(clients.len());
    for client in clients {
        tokens.push(client.access_token().await?);
    }
    let opening = tokens.iter().cycle().take(count).enumerate().map(|(number, token)| async move {
        let gateway = options.gateway(number / of_gateway(count, options))?;
        open_patiently(source(number), gateway, token, options.encoding).await
    });
    // In their order, so that who opens all knows whose each is.
    let mut opening = stream::iter(opening).buffered(at_once);
    let mut failures = Failures::new();
    while let Some(socket) = opening.next().await {
        match socket {
            Ok(socket) => take(socket),
            Err(error) => *failures.entry(Failure::of(&error).name).or_default() += 1,
        }
    }
    Ok(failures)
}

/// A gateway that lets no more in at the moment is asked again when it says.
async fn open_patiently(
    source: Option<IpAddr>,
    gateway: &Url,
    token: &str,
    encoding: Encoding,
) -> anyhow::Result<Socket> {
    for _ in 1..TRIES {
        match Socket::open_from(source, gateway, token, encoding).await {
            Ok(socket) => return Ok(socket),
            Err(error) => match Failure::of(&error).retry_after {
                Some(pause) => sleep(pause).await,
                None => return Err(error),
            },
        }
    }
    Socket::open_from(source, gateway, token, encoding).await
}

/// How many of the sockets a gateway has.
pub fn of_gateway(count: usize, options: &Options) -> usize {
    count.div_ceil(options.gateways.len().max(1)).max(1)
}

/// Why a socket or a call did not come about.
pub struct Failure {
    /// Such as `503`, for a table.
    pub name: String,
    /// When to try again, as the server said.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Of an attempt to open a socket, or of one that broke.
    pub fn of(error: &anyhow::Error) -> Self {
        if let Some(tungstenite::Error::Http(answer)) = error.downcast_ref() {
            let pause = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            return Self { name: answer.status().as_u16().to_string(), retry_after: pause.map(Duration::from_secs) };
        }
        let text = format!("{error:#}");
        let known = ["Too many open files", "no answer", "reset", "refused", "hung up", "closed"]
            .into_iter()
            .find(|word| text.contains(word));
        Self { name: known.unwrap_or("other").to_owned(), retry_after: None }
    }
}

/// A group of its first member with all others.
pub async fn group(members: &[Client]) -> anyhow::Result<ChatId> {
    let (owner, others) = members.split_first().context("a group of nobody")?;
    let request = CreateGroupRequest { title: "Load".to_owned(), ..CreateGroupRequest::default() };
    let group = patiently(async || owner.create_group(&request).await).await?;
    let chat_id = group.chat.context("the server answered without a chat")?.id.parse()?;
    let mut ids = Vec::with_capacity(others.len());
    for other in others {
        ids.push(other.session().context("a member is logged out")?.user_id);
    }
    for some in ids.chunks(ADDED_AT_ONCE) {
        let request = AddMembersRequest { user_ids: some.to_vec(), ..AddMembersRequest::default() };
        let added = patiently(async || owner.add_members(chat_id, &request).await).await?;
        anyhow::ensure!(added.refused.is_empty(), "members were refused: {:?}", added.refused);
    }
    Ok(chat_id)
}

/// So many groups for everybody: of up to 200 people, who are together in all of theirs.
pub async fn groups(people: &[Client], each: usize) -> anyhow::Result<()> {
    let wanted = people.chunks(ADDED_AT_ONCE).flat_map(|members| std::iter::repeat_n(members, each));
    let mut making = stream::iter(wanted).map(group).buffer_unordered(CONCURRENCY);
    while let Some(made) = making.next().await {
        made?;
    }
    Ok(())
}
