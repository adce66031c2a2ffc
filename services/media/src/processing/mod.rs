//! What is done with an upload once it is complete: is it what was announced, is it harmless, what is in it. Everything
//! here may be done twice: results go to keys that follow from the upload's id.
//!
//! Reading order: [`Processor`] (the steps), [`Scratch`] and `fetch` (the bytes, into a folder of the job's own), `sniff` with `mp3` (what they
//! are), [`Clamd`] (malware), `picture` with `metadata` and `thumbnails`, `film` and `sound` with `adts` by way of `tool` (ffmpeg as
//! a bounded child process).

mod adts;
mod clamd;
mod error;
mod fetch;
mod film;
mod metadata;
mod mp3;
mod picture;
mod probe;
mod processor;
mod scratch;
mod sniff;
mod sound;
mod thumbnails;
mod tool;

pub use clamd::{Clamd, Finding};
pub use error::Error;
pub use processor::Processor;
pub use scratch::Scratch;
pub use tool::Tools;
