use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::hub::spread_ms;
use super::outbox::Close;
use crate::edge::Edge;

/// How many sockets a millisecond are sent away. More at once would only fill the queues of this machine's network.
const SOCKETS_PER_MS: usize = 10;
/// No more time than this is taken to ask all to leave, however many they are.
const ASKING_MAX: Duration = Duration::from_secs(6);
/// What is asked together.
const TICK: Duration = Duration::from_millis(20);
/// How long all of it may take. It fits into the part of the grace period that the edge has.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Takes no more sockets, and sends those that are here away: each finishes what its client asked, writes what waits, and
/// tells the client when to come back, another time for each. Waits until they are gone.
pub async fn drain(edge: &Edge) {
    let until = Instant::now() + DRAIN_TIMEOUT;
    let sockets = edge.hub.close_doors();
    let spread_ms = edge.config.reconnect_spread_ms.max(spread_ms(sockets.len()));
    for (turn, together) in sockets.chunks(per_tick(sockets.len())).enumerate() {
        if turn > 0 {
            sleep(TICK).await;
        }
        for socket in together {
            socket.outbox.ask_to_leave(edge.entropy.below(spread_ms));
        }
    }
    if timeout_at(until, edge.admission.empty()).await.is_err() {
        tracing::info!("sockets did not take their leave in time");
        sockets.iter().for_each(|socket| socket.outbox.close(Close::Restart, None));
    }
}

/// How many of so many sockets are asked in one tick.
fn per_tick(sockets: usize) -> usize {
    let tick_ms = usize::try_from(TICK.as_millis()).unwrap_or(usize::MAX);
    let ticks = usize::try_from(ASKING_MAX.as_millis()).unwrap_or(usize::MAX) / tick_ms;
    sockets.div_ceil(ticks).max(SOCKETS_PER_MS * tick_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_asked_one_after_the_other_and_too_many_still_in_time() {
        for (sockets, ticks) in [(1_usize, 1), (200, 1), (20_000, 100), (60_000, 300), (1_000_000, 300)] {
            assert_eq!(sockets.div_ceil(per_tick(sockets)), ticks, "{sockets}");
        }
    }

    #[test]
    fn the_more_clients_the_longer_until_all_are_back() {
        assert_eq!((spread_ms(10), spread_ms(10_000), spread_ms(100_000)), (5, 5_000, 50_000));
    }
}
