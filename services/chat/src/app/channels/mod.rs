//! What channels have beside groups.

mod get_channel;
mod list_public_channels;
mod subscribe;
mod unsubscribe;

pub use get_channel::ChannelView;
