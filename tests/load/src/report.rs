//! The result, as one table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::flood::FloodReport;
use crate::ledger::Totals;
use crate::usage::Usage;

/// Everything that a run found out.
#[derive(Serialize)]
pub struct Report {
    /// How the load was made.
    pub load: Load,
    /// Messages that arrived a second, over the measured time.
    pub messages_per_sec: f64,
    /// Arrivals in each 20 ms of the measured time: where nothing came, something stood still.
    pub received_by_20_ms: Vec<u32>,
    /// From when a message was sent (closed loop) or due (open loop) until its receiver had it, in milliseconds.
    pub send_to_receive_ms: Percentiles,
    /// Likewise until its sender had the acknowledgement.
    pub send_to_ack_ms: Percentiles,
    /// What became of the messages.
    pub ledger: Totals,
    /// Refusals by reason.
    pub refusals: BTreeMap<String, u64>,
    /// Sockets that broke.
    pub disconnects: u64,
    /// Updates a second when everything is read again by `GET /chats/{id}/sync`.
    pub sync_updates_per_sec: f64,
    /// The counted processes over the measured time, by name.
    pub processes: BTreeMap<String, Cost>,
    /// All counted processes together.
    pub server: Cost,
    /// The generator.
    pub generator_cpu_secs: f64,
    /// By how much the memory of the counted processes grew for each idle socket, in KiB of PSS. Only on a process
    /// that was just started: one that had load before gives memory back meanwhile.
    pub idle_socket_kib: Option<f64>,
    /// What became of the logins that were offered meanwhile.
    pub login_flood: Option<FloodReport>,
}

/// How the load was made.
#[derive(Serialize)]
pub struct Load {
    pub pairs: u32,
    /// Closed loop: messages under way for each pair.
    pub outstanding: Option<u32>,
    /// Open loop: messages offered a second.
    pub rate: Option<f64>,
    pub secs: u64,
    pub text_chars: u32,
    pub encoding: String,
    pub gateways: Vec<String>,
}

/// Of a distribution, in milliseconds.
#[derive(Serialize)]
pub struct Percentiles {
    pub count: u64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// What processes used.
#[derive(Clone, Copy, Default, Serialize)]
pub struct Cost {
    /// CPU time over the measured time.
    pub cpu_secs: f64,
    /// For each thousand messages that arrived.
    pub cpu_secs_per_1000: f64,
    /// At the end.
    pub rss_bytes: u64,
    /// At the end.
    pub pss_bytes: u64,
    /// At the end.
    pub process_count: u32,
}

impl Percentiles {
    /// Of a histogram of microseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let millis = |micros: u64| to_f64(micros) / 1_000.0;
        let at = |quantile| millis(histogram.value_at_quantile(quantile));
        let max = millis(histogram.max());
        Self { count: histogram.len(), p50: at(0.5), p95: at(0.95), p99: at(0.99), p999: at(0.999), max }
    }

    /// A line of a table, below [`Self::heading`].
    pub fn line(&self, name: &str) -> String {
        let Self { p50, p95, p99, p999, max, .. } = self;
        format!("{name:<20}{p50:>10.2}{p95:>10.2}{p99:>10.2}{p999:>10.2}{max:>10.2}")
    }

    /// What the numbers of [`Self::line`] are.
    pub fn heading(name: &str) -> String {
        format!("{name:<20}{:>10}{:>10}{:>10}{:>10}{:>10}", "p50", "p95", "p99", "p99.9", "max")
    }
}

impl Cost {
    /// Between two looks.
    pub fn between(before: &Usage, after: &Usage, messages: f64) -> Self {
        // A process that ended without its parent being counted took its time with it.
        let cpu_secs = (after.cpu_secs - before.cpu_secs).max(0.0);
        Self {
            cpu_secs,
            cpu_secs_per_1000: if messages > 0.0 { cpu_secs * 1_000.0 / messages } else { 0.0 },
            rss_bytes: after.rss_bytes,
            pss_bytes: after.pss_bytes,
            process_count: after.process_count,
        }
    }

    /// These and those.
    pub fn plus(self, other: &Self) -> Self {
        Self {
            cpu_secs: self.cpu_secs + other.cpu_secs,
            cpu_secs_per_1000: self.cpu_secs_per_1000 + other.cpu_secs_per_1000,
            rss_bytes: self.rss_bytes + other.rss_bytes,
            pss_bytes: self.pss_bytes + other.pss_bytes,
            process_count: self.process_count + other.process_count,
        }
    }
}

impl Report {
    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let load = &self.load;
        let pace = match (load.outstanding, load.rate) {
            (_, Some(rate)) => format!("{rate} messages/s offered (open loop)"),
            (Some(outstanding), None) => format!("{outstanding} outstanding (closed loop)"),
            (None, None) => String::new(),
        };
        writeln!(out, "{} pairs x {pace}, {} s, {} frames", load.pairs, load.secs, load.encoding)?;
        writeln!(out, "{} characters, over {}", load.text_chars, load.gateways.join(", "))?;
        writeln!(out)?;
        writeln!(out, "messages/s        {:>10.1}", self.messages_per_sec)?;
        writeln!(out, "{}", Percentiles::heading("latency, ms"))?;
        for (name, found) in [("send -> receive", &self.send_to_receive_ms), ("send -> ack", &self.send_to_ack_ms)] {
            writeln!(out, "{}", found.line(name))?;
        }
        writeln!(out, "sync, updates/s   {:>10.0}", self.sync_updates_per_sec)?;
        writeln!(out)?;
        self.write_ledger(out)?;
        writeln!(out)?;
        self.write_processes(out)
    }

    fn write_ledger(&self, out: &mut String) -> std::fmt::Result {
        let l = &self.ledger;
        writeln!(
            out,
            "sent {}  acked {}  received {}  refused {}  unanswered {}  disconnects {}",
            l.sent, l.acked, l.received, l.refused, l.unanswered, self.disconnects
        )?;
        writeln!(
            out,
            "lost {}  duplicated {}  out of order {}  missed live {}  seq disorder {}",
            l.lost, l.duplicated, l.out_of_order, l.missed_live, l.seq_disorder
        )?;
        writeln!(
            out,
            "logged twice {}  refused yet there {}  unknown {}  => {}",
            l.logged_twice,
            l.refused_yet_there,
            l.unknown,
            if l.is_clean() { "the ledger is clean" } else { "THE LEDGER IS NOT CLEAN" }
        )?;
        for (reason, count) in &self.refusals {
            writeln!(out, "refused {reason}: {count}")?;
        }
        Ok(())
    }

    fn write_processes(&self, out: &mut String) -> std::fmt::Result {
        let mib = |bytes: u64| to_f64(bytes) / f64::from(1_u32 << 20);
        writeln!(
            out,
            "{:<17} {:>10} {:>10} {:>10} {:>10} {:>10}",
            "process", "CPU s", "per 1000", "RSS MiB", "PSS MiB", "count"
        )?;
        let mut line = |name: &str, cost: &Cost| {
            writeln!(
                out,
                "{name:<17} {:>10.2} {:>10.3} {:>10.1} {:>10.1} {:>10}",
                cost.cpu_secs,
                cost.cpu_secs_per_1000,
                mib(cost.rss_bytes),
                mib(cost.pss_bytes),
                cost.process_count
            )
        };
        for (name, cost) in &self.processes {
            line(name, cost)?;
        }
        line("all of these", &self.server)?;
        writeln!(out, "{:<17} {:>10.2}", "generator", self.generator_cpu_secs)?;
        if let Some(kib) = self.idle_socket_kib {
            writeln!(out, "{:<17} {kib:>10.1} KiB", "an idle socket")?;
        }
        if let Some(flood) = &self.login_flood {
            writeln!(
                out,
                "{:<17} {:>10.1}/s, held back {}",
                "logins answered", flood.answered_per_sec, flood.held_back
            )?;
            for (reason, count) in &flood.outcomes {
                writeln!(out, "login {reason}: {count}")?;
            }
        }
        Ok(())
    }
}

/// For showing; counts here stay far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "a shown number has fewer digits than an f64")]
pub const fn to_f64(count: u64) -> f64 {
    count as f64
}
