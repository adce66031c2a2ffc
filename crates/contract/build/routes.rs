//! The table of what is reachable over REST.

use std::fmt::Write as _;

use crate::model::Service;

const HEAD: &str = r#"
/// One RPC as REST serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestRoute {
    /// Upper case.
    pub verb: &'static str,
    /// Such as `/chats/{chat_id}/messages`; a brace stands for one segment.
    pub template: &'static str,
    /// Such as `godwit.message.v1.MessageService`.
    pub service: &'static str,
    /// Such as `SendMessage`.
    pub rpc: &'static str,
    /// Needs no access token.
    pub is_open: bool,
    /// Success makes a resource: 201.
    pub is_creating: bool,
}
"#;

/// A Rust file with the table.
pub fn render(services: &[Service]) -> String {
    let mut code = String::from(HEAD);
    code.push_str("\n/// Every RPC that REST serves.\npub const REST_ROUTES: &[RestRoute] = &[\n");
    for service in services {
        for rpc in &service.rpcs {
            let _ = writeln!(
                code,
                "    RestRoute {{ verb: {:?}, template: {:?}, service: {:?}, rpc: {:?}, is_open: {}, is_creating: {} }},",
                rpc.verb,
                rpc.template,
                service.full_name(),
                rpc.name,
                rpc.is_open,
                rpc.is_creating
            );
        }
    }
    code.push_str("];\n");
    code
}
