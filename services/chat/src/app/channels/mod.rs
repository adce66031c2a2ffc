//! What channels have beside groups.

mod get_channel;
mod subscribe;
mod unsubscribe;

pub use get_channel::ChannelView;
