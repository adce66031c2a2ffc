//! One event to many sockets: how long until the last one has it.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use godwit_kernel::ChatId;
use hdrhistogram::Histogram;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::accounts::{patiently, people};
use crate::crowd::{costs, number_in};
use crate::many;
use crate::options::{FanOut, Options};
use crate::report::{Percentiles, to_f64};
use crate::run::run_name;
use crate::usage::{Watched, own_cpu_secs};
use crate::wire::Socket;

const OPENED_AT_ONCE: usize = 64;
/// Until everybody has an event.
const PATIENCE: Duration = Duration::from_secs(30);
const ENCODINGS: &str = "gateway_live_json_encodings_total";

/// Makes the group, lets everybody listen, and writes one message after the other.
pub async fn run(options: &Options, fan_out: &FanOut) -> anyhow::Result<ExitCode> {
    let count = usize::try_from(fan_out.sockets)?;
    let clients = people(options, count.div_ceil(usize::try_from(fan_out.each)?) + 1).await?;
    let chat_id = many::group(&clients).await?;
    let (writer, listeners) = clients.split_first().context("nobody writes")?;
    let opened = many::open(options, listeners, count, OPENED_AT_ONCE).await?;
    ensure!(opened.sockets.len() == count, "sockets cannot be opened: {:?}", opened.failures);
    let run: Arc<str> = run_name().into();
    // Everybody who has an event says so once; the channel holds what one event makes.
    let (heard, mut hearing) = mpsc::channel(count);
    let mut listening = JoinSet::new();
    for socket in opened.sockets {
        listening.spawn(hear(socket, Arc::clone(&run), heard.clone()));
    }
    let watched = Watched::new(options.pids.clone(), options.pid_names.clone());
    let (before, own_before) = (watched.usage(), own_cpu_secs());
    let encoded_before = encodings(fan_out.metrics.as_ref()).await?;
    let (mut first, mut last) =
        (Histogram::new_with_bounds(1, 60_000_000, 3)?, Histogram::new_with_bounds(1, 60_000_000, 3)?);
    for number in 0..fan_out.events {
        let sent_at = Instant::now();
        send(writer, chat_id, &run, number).await?;
        let mut missing = count;
        while missing > 0 {
            let (which, at): (u32, Instant) = timeout(PATIENCE, hearing.recv())
                .await
                .with_context(|| format!("{missing} did not hear event {number}"))?
                .context("nobody listens")?;
            ensure!(which == number, "event {which} instead of {number}");
            let micros = u64::try_from(at.duration_since(sent_at).as_micros())?;
            if missing == count {
                first.saturating_record(micros);
            }
            missing -= 1;
            if missing == 0 {
                last.saturating_record(micros);
            }
        }
    }
    let (after, own_cpu) = (watched.usage(), own_cpu_secs() - own_before);
    let mut out = std::io::stdout();
    writeln!(out, "{} events to {count} sockets of {} people", fan_out.events, listeners.len())?;
    writeln!(out, "{}", Percentiles::heading("from send, ms"))?;
    writeln!(out, "{}", Percentiles::of(&first).line("to the first socket"))?;
    writeln!(out, "{}", Percentiles::of(&last).line("to the last socket"))?;
    for (name, cost) in costs(&before, &after, f64::from(fan_out.events)) {
        writeln!(out, "{name}: {:.2} CPU s, {:.2} ms an event", cost.cpu_secs, cost.cpu_secs_per_1000)?;
    }
    writeln!(out, "generator: {own_cpu:.2} CPU s")?;
    if let (Some(before), Some(after)) = (encoded_before, encodings(fan_out.metrics.as_ref()).await?) {
        writeln!(out, "made JSON: {:.2} times an event", (after - before) / f64::from(fan_out.events))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn send(writer: &godwit_client::Client, chat_id: ChatId, run: &str, number: u32) -> anyhow::Result<()> {
    let id = format!("{run}-{number}");
    patiently(async || writer.send_message(chat_id, &id, "Hello, everybody!").await).await?;
    Ok(())
}

async fn hear(mut socket: Socket, run: Arc<str>, heard: mpsc::Sender<(u32, Instant)>) {
    while let Ok(frame) = socket.next().await {
        if let Some(number) = number_in(&frame, &run)
            && heard.send((number, Instant::now())).await.is_err()
        {
            return;
        }
    }
}

/// How many events the gateway has made JSON.
async fn encodings(metrics: Option<&Url>) -> anyhow::Result<Option<f64>> {
    let Some(metrics) = metrics else { return Ok(None) };
    let http = reqwest::Client::builder().no_proxy().build()?;
    let text = http.get(metrics.clone()).send().await?.error_for_status()?.text().await?;
    Ok(Some(sum_of(&text, ENCODINGS)))
}

/// The sum of a metric over its labels, in the text format of Prometheus.
fn sum_of(text: &str, name: &str) -> f64 {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name).filter(|rest| rest.starts_with([' ', '{']))?;
        rest.rsplit(' ').next()?.parse::<f64>().ok()
    });
    values.fold(to_f64(0), |sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_no_other_is() {
        let text = "# TYPE a_total counter\na_total{x=\"1\"} 2\na_total{x=\"2\"} 3\na_total_more 9\nb 1\n";
        assert!((sum_of(text, "a_total") - 5.0).abs() < f64::EPSILON);
        assert!(sum_of(text, "c").abs() < f64::EPSILON);
    }
}
