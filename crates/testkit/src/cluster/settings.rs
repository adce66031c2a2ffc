use std::net::SocketAddr;
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

/// One process to be.
pub(super) struct PlannedProcess {
    pub name: String,
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

impl Plan {
    pub fn new(shape: Shape, database_url: &str, dir: &Path, prefix: &str) -> anyhow::Result<Self> {
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
                set(&mut common, "GODWIT_MEDIA_S3_EMBEDDED_LISTEN", free_address()?.to_string());
            }
            Shape::FullStack | Shape::Separate => common.extend(stack_variables(prefix)),
        }
        let mut plan = Self { processes: Vec::new(), gateways: Vec::new(), mailbox };
        if shape == Shape::Separate {
            plan.add_separate(&common, dir)?;
        } else {
            set(&mut common, "GODWIT_GRPC_LISTEN", "off");
            let gateway = free_address()?;
            plan.add("all", "all", &common, dir, Some(gateway))?;
        }
        Ok(plan)
    }

    fn add_separate(&mut self, common: &Variables, dir: &Path) -> anyhow::Result<()> {
        let mut common = common.clone();
        // Every gateway has to remain reachable too: services tell them which sessions have ended.
        let mut listeners = Vec::new();
        for (_, variable) in SERVICES {
            let listener = free_address()?;
            set(&mut common, variable, format!("http://{listener}"));
            listeners.push(listener);
        }
        for ((name, variable), listener) in SERVICES.into_iter().zip(listeners) {
            let mut variables = common.clone();
            variables.retain(|(set, _)| set != variable);
            set(&mut variables, "GODWIT_GRPC_LISTEN", listener.to_string());
            self.add(name, name, &variables, dir, None)?;
        }
        for name in ["gateway-1", "gateway-2"] {
            let mut variables = common.clone();
            set(&mut variables, "GODWIT_GRPC_LISTEN", free_address()?.to_string());
            let gateway = free_address()?;
            self.add(name, "gateway", &variables, dir, Some(gateway))?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        name: &str,
        target: &str,
        variables: &Variables,
        dir: &Path,
        gateway: Option<SocketAddr>,
    ) -> anyhow::Result<()> {
        let mut variables = variables.clone();
        let admin = free_address()?;
        set(&mut variables, "GODWIT_ADMIN_LISTEN", admin.to_string());
        set(&mut variables, "GODWIT_CALL_DATA_DIR", dir.join(format!("{name}-raft")).display().to_string());
        if let Some(gateway) = gateway {
            set(&mut variables, "GODWIT_GATEWAY_LISTEN", gateway.to_string());
            self.gateways.push(format!("http://{gateway}"));
        }
        let arguments = vec![format!("--target={target}")];
        self.processes.push(PlannedProcess { name: name.to_owned(), arguments, variables, admin });
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
