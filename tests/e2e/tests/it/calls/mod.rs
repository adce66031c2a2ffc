//! Calls over a group of three processes, two gateways and real servers: what dies, freezes or is cut off loses none, ends
//! none twice, and leaves none behind.

mod group;
mod lease;
mod network;
mod parties;
mod partition;
mod record;
mod signals;
mod stage;
