use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use godwit_testkit::{Place, env};
use url::Url;

/// Carries the ports of the tests' servers into namespaces.
const FORWARDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/forward_into_namespaces.py");

/// Set to 1, it leaves out the tests that need namespaces where none can be made.
const WITHOUT_NAMESPACES: &str = "GODWIT_TEST_WITHOUT_NAMESPACES";

/// Three network namespaces that hang on one bridge, each of which can be cut off. All of it goes with this value.
///
/// In each, the loopback's ports of PostgreSQL, Redis and Kafka lead to those of this machine, and not over the bridge: who
/// is cut off from the other replicas still reaches them, which is the harder case.
pub struct Network {
    name: String,
    subnet: u8,
    forwarder: Option<Child>,
}

impl Network {
    /// Fails where no namespaces can be made; `None`, with the reason on standard error, when the tests may do without.
    pub fn new() -> Option<Self> {
        static MADE: AtomicU8 = AtomicU8::new(0);
        let (pid, made) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        // The names of interfaces have at most 15 characters. Processes that run at once have ids near each other.
        let subnet = u8::try_from(pid % 25 * 10 + u32::from(made % 10)).unwrap();
        let mut network = Self { name: format!("gw{pid}x{made}"), subnet, forwarder: None };
        match network.build() {
            Ok(()) => Some(network),
            Err(reason) => {
                let told = format!("network namespaces, which take root and `ip`, cannot be made: {reason}");
                let is_optional = std::env::var(WITHOUT_NAMESPACES).is_ok_and(|value| value == "1");
                assert!(is_optional, "{told}; {WITHOUT_NAMESPACES}=1 leaves out the tests that need them");
                std::io::stderr().write_all(format!("skipped: {told}\n").as_bytes()).ok();
                None
            }
        }
    }

    /// This machine's address on the bridge.
    pub fn host(&self) -> IpAddr {
        self.address(1)
    }

    /// Where the three replicas run.
    pub fn places(&self) -> Vec<Place> {
        let launcher = |number| ["ip", "netns", "exec", self.namespace(number).as_str()].map(str::to_owned).to_vec();
        (1..=3).map(|number| Place { host: self.address(10 + number), launcher: launcher(number) }).collect()
    }

    /// Carries nothing from or to a replica any more, 1 to 3, without a word to anybody.
    pub fn cut(&self, number: u8) {
        ip(&format!("link set {} down", self.cable(number))).unwrap();
    }

    /// Carries everything again.
    pub fn heal(&self, number: u8) {
        ip(&format!("link set {} up", self.cable(number))).unwrap();
    }

    fn build(&mut self) -> Result<(), String> {
        let (bridge, host) = (&self.name, self.host());
        // Without a delay: a port that comes back carries at once.
        ip(&format!("link add {bridge} type bridge forward_delay 0"))?;
        ip(&format!("addr add {host}/24 dev {bridge}"))?;
        ip(&format!("link set {bridge} up"))?;
        for number in 1..=3 {
            let (namespace, cable, address) = (self.namespace(number), self.cable(number), self.address(10 + number));
            ip(&format!("netns add {namespace}"))?;
            ip(&format!("link add {cable} type veth peer name eth0 netns {namespace}"))?;
            ip(&format!("link set {cable} master {bridge}"))?;
            ip(&format!("link set {cable} up"))?;
            ip(&format!("-n {namespace} addr add {address}/24 dev eth0"))?;
            ip(&format!("-n {namespace} link set eth0 up"))?;
            ip(&format!("-n {namespace} link set lo up"))?;
        }
        self.forwarder = Some(self.forward()?);
        Ok(())
    }

    fn forward(&self) -> Result<Child, String> {
        let mut command = Command::new(env::python());
        command.arg(FORWARDER).arg("--ports").args(server_ports());
        command.arg("--namespaces").args((1..=3).map(|number| self.namespace(number)));
        // It ends when its standard input does, hence with this process, however that ends.
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let mut said = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut said).map_err(|error| error.to_string())?;
        }
        if said == "ready\n" { Ok(child) } else { Err(format!("the forwarder says {said:?}")) }
    }

    fn namespace(&self, number: u8) -> String {
        format!("{}n{number}", self.name)
    }

    fn cable(&self, number: u8) -> String {
        format!("{}v{number}", self.name)
    }

    fn address(&self, last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 213, self.subnet, last))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(forwarder) = &mut self.forwarder {
            forwarder.kill().ok();
            forwarder.wait().ok();
        }
        for number in 1..=3 {
            let namespace = self.namespace(number);
            if Path::new("/run/netns").join(&namespace).exists() {
                // With the namespace goes its end of the cable, hence the cable.
                ip(&format!("netns del {namespace}")).ok();
            }
        }
        ip(&format!("link del {}", self.name)).ok();
    }
}

/// Where the tests' servers listen on the loopback.
fn server_ports() -> Vec<String> {
    let of_url = |url: String| url.parse::<Url>().unwrap().port().unwrap();
    let kafka = env::kafka().rsplit(':').next().unwrap().to_owned();
    vec![of_url(env::database_url()).to_string(), of_url(env::redis_url()).to_string(), kafka]
}

fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split(' ')).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("ip {arguments}: {}", told.trim())) }
}
