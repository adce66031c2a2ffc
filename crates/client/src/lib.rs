//! The Rust client of Godwit: a session that renews itself, the REST routes, and a connection that stays.
//!
//! ```no_run
//! use godwit_client::{Client, ConnectOptions, Event, Options};
//! use godwit_contract::auth::v1::{Device, LoginRequest};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(Options::new("https://chat.example.org".parse()?))?;
//! client
//!     .login(&LoginRequest {
//!         login: "ada".to_owned(),
//!         password: "correct horse battery staple".to_owned(),
//!         device: Some(Device {
//!             id: "018f4a52-7d1b-7c3e-9a44-1f2e3d4c5b6a".to_owned(),
//!             name: "Ada's laptop".to_owned(),
//!             platform: "linux".to_owned(),
//!         }),
//!     })
//!     .await?;
//!
//! let bob = client.get_user_by_username("bob").await?.user.ok_or("no user")?;
//! let chat = client.create_direct_chat(bob.id.parse()?).await?.chat.ok_or("no chat")?;
//!
//! let (connection, mut events) = client.connect(ConnectOptions::default());
//! let sent = connection.send(chat.id.parse()?, "Hello, Bob!")?.outcome().await?;
//! println!("committed as number {} of the chat", sent.seq);
//!
//! while let Some(event) = events.next().await {
//!     if let Event::Update(update) = event {
//!         println!("{} {}", update.chat_id, update.seq);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What a connection promises
//! - **Every update once and in order.** [`Events::next`] gives the updates of each chat numbered without gap or
//!   repeat, whatever the network loses, doubles or reorders: a missing one is waited for half a second, then fetched
//!   ([`log`]). Only when the server says that a log cannot be continued, [`Event::ChatLoaded`] tells the chat anew.
//! - **A message that was queued is sent.** [`Connection::send`] works without a network too; what has no answer is
//!   sent again under the same `client_message_id` until the server has committed it or refuses it for good.
//! - **It comes back.** A lost connection is opened again with exponential backoff and full jitter, at once caught up
//!   by one account sync, and ends only for the reasons of [`EndReason`].
//! - **Bounded memory.** An application that does not take its events makes the client drop live deliveries and sync
//!   later; a full queue of sends refuses more.
//! - **It survives a restart.** Store [`Events::snapshot`] and [`Client::watch_session`], and give them back to
//!   [`ConnectOptions::snapshot`] and [`Client::set_session`].
//!
//! Reading order: `client` and `api` (the calls), `session` (tokens), `connection` (`runner`: the socket's life;
//! `sync`: what to fetch when), [`log`], [`state`] and `pending` (the pure rules), `http` and `connection::socket` (the wire).

pub mod log;
pub mod state;

mod api;
mod backoff;
mod client;
mod connection;
mod error;
mod http;
mod options;
mod pending;
mod session;
mod snapshot;

pub use client::Client;
pub use connection::{Activity, Connection, ConnectionState, EndReason, Event, Events, Sending};
pub use error::{Error, Problem};
pub use options::{ConnectOptions, Encoding, Options};
pub use pending::PendingSend;
pub use session::Session;
pub use snapshot::Snapshot;
