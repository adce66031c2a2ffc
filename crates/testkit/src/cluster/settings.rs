use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use super::ports::free_address;
use super::{Shape, stack_variables};
use crate::{Mailbox, ROLE_PASSWORD, env};

/// The services that have a process of their own when services are separate, and the variable by which the others
/// find them.
const SERVICES: [(&str, &str); 8] = [
    ("auth", "GODWIT_AUTH_ENDPOINTS"),
    ("chat", "GODWIT_CHAT_ENDPOINTS"),
    ("message", "GODWIT_MESSAGE_ENDPOINTS"),
    ("media", "GODWIT_MEDIA_ENDPOINTS"),
    ("presence", "GODWIT_PRESENCE_ENDPOINTS"),
    ("call-signaling", "GODWIT_CALL_SIGNALING_ENDPOINTS"),
    ("push", "GODWIT_PUSH_ENDPOINTS"),
    ("search", "GODWIT_SEARCH_ENDPOINTS"),
];

type Variables = Vec<(String, String)>;

const CALLS: &str = "call-signaling";

/// Where a process runs.
#[derive(Clone, Debug)]
pub struct Place {
    /// The address that it listens at.
    pub host: IpAddr,
    /// What starts it there, such as `ip netns exec NAME`; nothing on this machine's own network.
    pub launcher: Vec<String>,
}

impl Place {
    /// This machine's own network, at this address of it.
    pub const fn here(host: IpAddr) -> Self {
        Self { host, launcher: Vec::new() }
    }
}

/// Where the processes of a cluster run.
pub(super) struct Layout {
    /// Those that have no place of their own.
    pub elsewhere: Place,
    /// The replicas of call-signaling: one process of that name when there is none here, else a group.
    pub call_group: Vec<Place>,
}

impl Layout {
    /// Everything on the loopback, and one call-signaling.
    pub const fn on_loopback() -> Self {
        Self { elsewhere: Place::here(IpAddr::V4(Ipv4Addr::LOCALHOST)), call_group: Vec::new() }
    }
}

/// One process to be.
pub(super) struct PlannedProcess {
    pub name: String,
    pub launcher: Vec<String>,
    pub arguments: Vec<String>,
    pub variables: Variables,
    pub admin: SocketAddr,
}

/// A whole cluster to be.
pub(super) struct Plan {
    pub processes: Vec<PlannedProcess>,
    pub gateways: Vec<String>,
    pub mailbox: Mailbox,
}

/// What tells one process from the others.
struct Role<'a> {
    name: &'a str,
    target: &'a str,
    place: &'a Place,
    gateway: Option<SocketAddr>,
}

impl Plan {
    pub fn new(shape: Shape, layout: &Layout, database_url: &str, dir: &Path, prefix: &str) -> anyhow::Result<Self> {
        let here = &layout.elsewhere;
        let mut common = database(database_url);
        set(&mut common, "GODWIT_LOG", "info");
        set(&mut common, "GODWIT_SHUTDOWN_GRACE_SECS", "10");
        set(&mut common, "GODWIT_AUTH_BCRYPT_COST", "4");
        set(&mut common, "GODWIT_PUSH_ALLOW_PRIVATE_ENDPOINTS", "true");
        // Everybody in a test comes from one address.
        set(&mut common, "GODWIT_GATEWAY_LOGIN_REQUESTS_PER_SEC", "1000");
        set(&mut common, "GODWIT_GATEWAY_REQUESTS_PER_SEC", "1000");
        let mailbox = mail(shape, dir, &mut common);
        match shape {
            Shape::Embedded => {
                set(&mut common, "GODWIT_MEDIA_S3_EMBEDDED_DIR", dir.join("s3").display().to_string());
                set(&mut common, "GODWIT_MEDIA_S3_EMBEDDED_LISTEN", free_address(here.host)?.to_string());
            }
            Shape::FullStack | Shape::Separate => common.extend(stack_variables(prefix)),
        }
        let mut plan = Self { processes: Vec::new(), gateways: Vec::new(), mailbox };
        if shape == Shape::Separate {
            plan.add_separate(layout, &common, dir)?;
        } else {
            set(&mut common, "GODWIT_GRPC_LISTEN", "off");
            let gateway = Some(free_address(here.host)?);
            plan.add(Role { name: "all", target: "all", place: here, gateway }, &common, dir)?;
        }
        Ok(plan)
    }

    fn add_separate(&mut self, layout: &Layout, common: &Variables, dir: &Path) -> anyhow::Result<()> {
        let here = &layout.elsewhere;
        let mut common = common.clone();
        // Every gateway has to remain reachable too: services tell them which sessions have ended.
        let mut listeners = Vec::new();
        for (service, variable) in SERVICES {
            let is_group = service == CALLS && !layout.call_group.is_empty();
            let places = if is_group { layout.call_group.as_slice() } else { std::slice::from_ref(here) };
            let addresses = places.iter().map(|place| free_address(place.host)).collect::<anyhow::Result<Vec<_>>>()?;
            let urls: Vec<String> = addresses.iter().map(|address| format!("http://{address}")).collect();
            set(&mut common, variable, urls.join(","));
            listeners.push(addresses);
        }
        for ((service, variable), addresses) in SERVICES.into_iter().zip(&listeners) {
            let mut variables = common.clone();
            variables.retain(|(set, _)| set != variable);
            if service == CALLS && !layout.call_group.is_empty() {
                self.add_call_group(&layout.call_group, addresses, &variables, dir)?;
                continue;
            }
            for listener in addresses {
                set(&mut variables, "GODWIT_GRPC_LISTEN", listener.to_string());
            }
            self.add(Role { name: service, target: service, place: here, gateway: None }, &variables, dir)?;
        }
        for name in ["gateway-1", "gateway-2"] {
            let mut variables = common.clone();
            set(&mut variables, "GODWIT_GRPC_LISTEN", free_address(here.host)?.to_string());
            let gateway = Some(free_address(here.host)?);
            self.add(Role { name, target: "gateway", place: here, gateway }, &variables, dir)?;
        }
        Ok(())
    }

    /// Replicas that are one group from the beginning: `call-signaling-1`, `call-signaling-2` …
    fn add_call_group(
        &mut self,
        places: &[Place],
        addresses: &[SocketAddr],
        variables: &Variables,
        dir: &Path,
    ) -> anyhow::Result<()> {
        let members: Vec<String> =
            (1..).zip(addresses).map(|(number, address)| format!("{number}=http://{address}")).collect();
        for (number, (place, address)) in (1..).zip(places.iter().zip(addresses)) {
            let mut variables = variables.clone();
            set(&mut variables, "GODWIT_GRPC_LISTEN", address.to_string());
            set(&mut variables, "GODWIT_CALL_NODE_ID", number.to_string());
            set(&mut variables, "GODWIT_CALL_MEMBERS", members.join(","));
            let name = format!("{CALLS}-{number}");
            self.add(Role { name: &name, target: CALLS, place, gateway: None }, &variables, dir)?;
        }
        Ok(())
    }

    fn add(&mut self, role: Role<'_>, variables: &Variables, dir: &Path) -> anyhow::Result<()> {
        let Role { name, target, place, gateway } = role;
        let mut variables = variables.clone();
        let admin = free_address(place.host)?;
        set(&mut variables, "GODWIT_ADMIN_LISTEN", admin.to_string());
        set(&mut variables, "GODWIT_CALL_DATA_DIR", dir.join(format!("{name}-raft")).display().to_string());
        if let Some(gateway) = gateway {
            set(&mut variables, "GODWIT_GATEWAY_LISTEN", gateway.to_string());
            self.gateways.push(format!("http://{gateway}"));
        }
        let arguments = vec![format!("--target={target}")];
        let (name, launcher) = (name.to_owned(), place.launcher.clone());
        self.processes.push(PlannedProcess { name, launcher, arguments, variables, admin });
        Ok(())
    }
}

/// What a process needs to reach the database, `godwit migrate` included.
pub(super) fn database(url: &str) -> Variables {
    let mut variables = Vec::new();
    set(&mut variables, "GODWIT_DATABASE_URL", url);
    set(&mut variables, "GODWIT_DATABASE_ROLE_PASSWORD", ROLE_PASSWORD);
    variables
}

/// The embedded shape leaves mails in a folder, as on a developer's machine; the others send them.
fn mail(shape: Shape, dir: &Path, variables: &mut Variables) -> Mailbox {
    if shape == Shape::Embedded {
        let outbox = dir.join("mail");
        set(variables, "GODWIT_AUTH_MAIL_DIR", outbox.display().to_string());
        return Mailbox::in_dir(outbox);
    }
    set(variables, "GODWIT_AUTH_SMTP_URL", format!("smtp://{}", env::smtp()));
    Mailbox::from_env()
}

fn set(variables: &mut Variables, name: &str, value: impl Into<String>) {
    variables.push((name.to_owned(), value.into()));
}
