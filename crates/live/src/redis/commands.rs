use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use deadpool_redis::redis::{ErrorKind, FromRedisValue, Pipeline, RedisError, Script, ServerErrorKind};
use futures_util::future::join_all;

use super::node::{self, Node};
use super::nodes::{Map, Nodes};
use super::topology::Address;
use crate::{Channel, Error, TokenBucket, TokenDecision};

/// Keys of one pipeline: what the server holds back for one answer stays small.
const PIPELINE_MAX: usize = 1_000;
/// Redis refuses an end that does not fit its signed milliseconds.
const MAX_TTL_MS: u64 = 10 * 365 * 24 * 60 * 60 * 1_000;

/// The same arithmetic as [`TokenBucket::take`], in microseconds of the server's clock.
const TAKE_TOKEN: &str = r"
local interval, span = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + interval
if full_at - now > span then
  return {0, full_at - now - span}
end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return {1, math.floor((span - (full_at - now)) / interval)}
";

/// Commands on keys and publishing. Each tells at once when the server it needs is known to be down.
#[derive(Clone)]
pub(super) struct Commands {
    pub(super) nodes: Nodes,
    pub(super) prefix: Arc<str>,
    take_token: Arc<Script>,
}

impl Commands {
    pub(super) fn new(nodes: Nodes, prefix: String) -> Self {
        Self { nodes, prefix: prefix.into(), take_token: Arc::new(Script::new(TAKE_TOKEN)) }
    }

    pub(super) async fn publish(&self, messages: Vec<(Channel, Bytes)>) -> Result<(), Error> {
        let name = |channel: Channel| format!("{}{channel}", self.prefix);
        let named: Vec<_> = messages.into_iter().map(|(channel, payload)| (name(channel), payload)).collect();
        let spublish = |pipeline: &mut Pipeline, name: &str, payload: &Bytes| {
            pipeline.cmd("SPUBLISH").arg(name).arg(payload.as_ref()).ignore();
        };
        let parts = self.on_all::<(), _>(&named, spublish).await;
        parts.into_iter().try_for_each(|part| part.answer?.map_err(refusal))
    }

    pub(super) async fn set(&self, key: &str, value: &Bytes, ttl: Duration) -> Result<(), Error> {
        let key = self.key(key);
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.cmd("SET").arg(&key).arg(value.as_ref()).arg("PX").arg(ttl_ms(ttl)).ignore();
        self.on(&key, &pipeline).await
    }

    pub(super) async fn set_if_absent(&self, key: &str, value: &Bytes, ttl: Duration) -> Result<bool, Error> {
        let key = self.key(key);
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.cmd("SET").arg(&key).arg(value.as_ref()).arg("NX").arg("PX").arg(ttl_ms(ttl));
        let (answer,): (Option<String>,) = self.on(&key, &pipeline).await?;
        Ok(answer.is_some())
    }

    pub(super) async fn prolong(&self, key: &str, ttl: Duration) -> Result<bool, Error> {
        let key = self.key(key);
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.cmd("PEXPIRE").arg(&key).arg(ttl_ms(ttl));
        let (was_set,): (bool,) = self.on(&key, &pipeline).await?;
        Ok(was_set)
    }

    pub(super) async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        // MGET of one key, unlike GET, counts a key of another kind as not set.
        let get = |pipeline: &mut Pipeline, key: &str, (): &()| {
            pipeline.cmd("MGET").arg(key);
        };
        let values = self.on_each::<(Option<Vec<u8>>,)>(keys, get).await?;
        Ok(values.into_iter().map(|(value,)| value.map(Bytes::from)).collect())
    }

    pub(super) async fn remove(&self, key: &str) -> Result<(), Error> {
        let key = self.key(key);
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.cmd("UNLINK").arg(&key).ignore();
        self.on(&key, &pipeline).await
    }

    pub(super) async fn add_to_sets(&self, keys: &[String], members: &[String], ttl: Duration) -> Result<(), Error> {
        if members.is_empty() {
            return Ok(());
        }
        let add = |pipeline: &mut Pipeline, key: &str, (): &()| {
            pipeline.cmd("SADD").arg(key).arg(members).ignore();
            pipeline.cmd("PEXPIRE").arg(key).arg(ttl_ms(ttl));
        };
        self.on_each::<bool>(keys, add).await.map(drop)
    }

    pub(super) async fn remove_from_sets(&self, keys: &[String], members: &[String]) -> Result<Vec<u64>, Error> {
        let remove = |pipeline: &mut Pipeline, key: &str, (): &()| {
            if !members.is_empty() {
                pipeline.cmd("SREM").arg(key).arg(members).ignore();
            }
            pipeline.cmd("SCARD").arg(key);
        };
        self.on_each(keys, remove).await
    }

    pub(super) async fn members_of_sets(&self, keys: &[String]) -> Result<Vec<Vec<String>>, Error> {
        let list = |pipeline: &mut Pipeline, key: &str, (): &()| {
            pipeline.cmd("SMEMBERS").arg(key);
        };
        self.on_each(keys, list).await
    }

    pub(super) async fn take_token(&self, key: &str, bucket: TokenBucket) -> Result<TokenDecision, Error> {
        let key = self.key(key);
        let call = |command: &str, script: &str| {
            let mut pipeline = Pipeline::with_capacity(1);
            pipeline
                .cmd(command)
                .arg(script)
                .arg(1)
                .arg(&key)
                .arg(micros(bucket.interval()))
                .arg(micros(bucket.span()));
            pipeline
        };
        let by_hash = call("EVALSHA", self.take_token.get_hash());
        let answer = match self.try_on(&key, &by_hash).await? {
            // The server was started anew, or is a new one.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.on(&key, &call("EVAL", TAKE_TOKEN)).await?
            }
            answer => answer.map_err(refusal)?,
        };
        let ((taken, number),): ((u8, u64),) = answer;
        Ok(match taken {
            0 => TokenDecision::Empty { retry_after: Duration::from_micros(number) },
            _ => TokenDecision::Taken { remaining: u32::try_from(number).unwrap_or(u32::MAX) },
        })
    }

    /// Asks every server.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let map = self.nodes.map();
        if map.nodes().next().is_none() {
            return Err(Error::KnownDown);
        }
        for node in map.nodes() {
            let mut handle = node.handle().await?;
            let answer = node::ping(&mut handle.connection).await;
            answer.inspect_err(|error| handle.report(error)).map_err(Error::unavailable)?;
        }
        Ok(())
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Runs a pipeline of commands on one key.
    async fn on<T: FromRedisValue>(&self, key: &str, pipeline: &Pipeline) -> Result<T, Error> {
        self.try_on(key, pipeline).await?.map_err(refusal)
    }

    /// As [`Self::on`], with what Redis itself refused inside. A redirection means that our map is old: it is read
    /// anew, once. While a slot moves between servers, some of its keys are not available (`ASK`).
    async fn try_on<T: FromRedisValue>(&self, key: &str, pipeline: &Pipeline) -> Answer<T> {
        let answer = run(self.nodes.map().node_of(key)?.1, pipeline).await;
        if !is_redirection(&answer) {
            return answer;
        }
        run(self.nodes.refreshed().await.node_of(key)?.1, pipeline).await
    }

    /// The answers to commands on each of many keys, one a key, in the order of the keys.
    async fn on_each<T: FromRedisValue>(
        &self,
        keys: &[String],
        commands: impl Fn(&mut Pipeline, &str, &()),
    ) -> Result<Vec<T>, Error> {
        let items: Vec<(String, ())> = keys.iter().map(|key| (self.key(key), ())).collect();
        let mut answers: Vec<(usize, T)> = Vec::with_capacity(items.len());
        for part in self.on_all::<Vec<T>, ()>(&items, commands).await {
            answers.extend(part.places.into_iter().zip(part.answer?.map_err(refusal)?));
        }
        if answers.len() != items.len() {
            return Err(Error::unavailable("fewer answers than commands"));
        }
        answers.sort_unstable_by_key(|(place, _)| *place);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    /// Runs commands on each of many keys; what went to the wrong server goes again, to the right one.
    async fn on_all<T: FromRedisValue, V>(
        &self,
        items: &[(String, V)],
        command: impl Fn(&mut Pipeline, &str, &V),
    ) -> Vec<Part<T>> {
        let all = (0..items.len()).zip(items).collect();
        let parts = round(&self.nodes.map(), all, &command).await;
        let (wrong, mut right): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| is_redirection(&part.answer));
        if !wrong.is_empty() {
            let places = wrong.into_iter().flat_map(|part| part.places);
            let again = places.filter_map(|place| items.get(place).map(|item| (place, item))).collect();
            let map = self.nodes.refreshed().await;
            right.extend(round(&map, again, &command).await);
        }
        right
    }
}

/// What became of a pipeline: an answer, a refusal by Redis, or none.
type Answer<T> = Result<Result<T, RedisError>, Error>;

/// A pipeline of [`Commands::on_all`].
struct Part<T> {
    /// Which of the items it took.
    places: Vec<usize>,
    answer: Answer<T>,
}

/// One pipeline a server (more when there are very many commands), all servers at the same time, in the order given.
async fn round<T: FromRedisValue, V>(
    map: &Map,
    items: Vec<(usize, &(String, V))>,
    command: &impl Fn(&mut Pipeline, &str, &V),
) -> Vec<Part<T>> {
    let mut parts = Vec::new();
    let mut shares: HashMap<&Address, (&Node, Vec<_>)> = HashMap::new();
    for (place, item) in items {
        match map.node_of(&item.0) {
            Ok((address, node)) => shares.entry(address).or_insert_with(|| (node, Vec::new())).1.push((place, item)),
            Err(error) => parts.push(Part { places: vec![place], answer: Err(error) }),
        }
    }
    let runs = shares.into_values().map(|(node, share)| async move {
        let mut parts = Vec::with_capacity(share.len().div_ceil(PIPELINE_MAX));
        for chunk in share.chunks(PIPELINE_MAX) {
            let mut pipeline = Pipeline::with_capacity(chunk.len());
            chunk.iter().for_each(|(_, (key, value))| command(&mut pipeline, key, value));
            let places = chunk.iter().map(|(place, _)| *place).collect();
            parts.push(Part { places, answer: run(node, &pipeline).await });
        }
        parts
    });
    parts.extend(join_all(runs).await.into_iter().flatten());
    parts
}

async fn run<T: FromRedisValue>(node: &Node, pipeline: &Pipeline) -> Answer<T> {
    let mut handle = node.handle().await?;
    let answer = pipeline.query_async(&mut handle.connection).await.inspect_err(|error| handle.report(error));
    match answer {
        Err(error) if error.is_io_error() || error.is_unrecoverable_error() => Err(Error::unavailable(error)),
        answer => Ok(answer),
    }
}

fn is_redirection<T>(answer: &Answer<T>) -> bool {
    matches!(answer, Ok(Err(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::Moved))
}

/// What a refusal by Redis means to our callers.
fn refusal(error: RedisError) -> Error {
    let of_command = error.clone().into_server_errors();
    let codes = of_command.iter().flat_map(|errors| errors.iter()).map(|(_, error)| error.code());
    let mut codes = codes.chain(error.code());
    match codes.find(|code| matches!(*code, "WRONGTYPE" | "OOM")) {
        Some("WRONGTYPE") => Error::WrongKind,
        Some(_) => Error::Full,
        None => Error::unavailable(error.clone()),
    }
}

/// At least a millisecond: Redis refuses none.
fn ttl_ms(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(MAX_TTL_MS).clamp(1, MAX_TTL_MS)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
