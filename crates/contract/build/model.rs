//! The services that clients may reach, read from the descriptors once for all that is generated.

use std::error::Error;

use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, MessageDescriptor, MethodDescriptor,
    ServiceDescriptor, Value,
};

/// RPCs that make a resource: their success is 201.
const CREATING: &[&str] = &[
    "godwit.auth.v1.AuthService.Register",
    "godwit.call.v1.CallService.CreateCall",
    "godwit.chat.v1.ChannelService.CreateChannel",
    "godwit.chat.v1.ChatService.CreateDirectChat",
    "godwit.chat.v1.ChatService.CreateGroup",
    "godwit.chat.v1.InviteService.CreateInvite",
    "godwit.chat.v1.SettingsService.CreateFolder",
    "godwit.media.v1.MediaService.CreateUpload",
    "godwit.message.v1.MessageService.ForwardMessages",
    "godwit.message.v1.MessageService.SendMessage",
    "godwit.message.v1.ScheduledService.ScheduleMessage",
    "godwit.push.v1.PushService.RegisterPushToken",
    "godwit.push.v1.PushService.RegisterWebPush",
];

/// How the comment of an RPC that needs no access token ends.
const OPEN_MARK: &str = "Open.";

/// A service with at least one `google.api.http` annotation.
pub struct Service {
    /// Such as `godwit.auth.v1`.
    pub package: String,
    /// Such as `AuthService`.
    pub name: String,
    pub comment: String,
    pub rpcs: Vec<Rpc>,
}

/// An annotated RPC.
pub struct Rpc {
    pub name: String,
    /// Upper case.
    pub verb: &'static str,
    /// Such as `/chats/{chat_id}/messages`.
    pub template: String,
    /// Full proto names.
    pub input: String,
    pub output: String,
    /// Without the mark of open RPCs.
    pub comment: String,
    pub is_open: bool,
    pub is_creating: bool,
}

impl Service {
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.package, self.name)
    }
}

impl Rpc {
    /// The fields that the path fills, in order.
    pub fn path_fields(&self) -> impl Iterator<Item = &str> {
        self.template.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

/// The services in the order of their files, as the REST generator meets them.
pub fn rest_services(pool: &DescriptorPool) -> Result<Vec<Service>, Box<dyn Error>> {
    let mut services = Vec::new();
    for descriptor in pool.services() {
        let mut rpcs = Vec::new();
        for method in descriptor.methods() {
            if let Some(rpc) = annotated(&descriptor, &method)? {
                rpcs.push(rpc);
            }
        }
        if !rpcs.is_empty() {
            services.push(Service {
                package: descriptor.package_name().to_owned(),
                name: descriptor.name().to_owned(),
                comment: comment(descriptor.parent_file().file_descriptor_proto(), descriptor.path()),
                rpcs,
            });
        }
    }
    if services.is_empty() {
        return Err("no service has a google.api.http annotation".into());
    }
    Ok(services)
}

fn annotated(service: &ServiceDescriptor, method: &MethodDescriptor) -> Result<Option<Rpc>, Box<dyn Error>> {
    let pool = service.parent_pool();
    let http = pool.get_extension_by_name("google.api.http").ok_or("google.api.http is not declared")?;
    let options = method.options();
    if !options.has_extension(&http) {
        return Ok(None);
    }
    let full_name = format!("{}.{}", service.full_name(), method.name());
    if method.is_client_streaming() || method.is_server_streaming() {
        return Err(format!("{full_name}: streaming has no place in REST here").into());
    }
    let Value::Message(rule) = options.get_extension(&http).into_owned() else {
        return Err(format!("{full_name}: the annotation is not a rule").into());
    };
    let (verb, template) = pattern(&rule).ok_or_else(|| format!("{full_name}: the rule has no pattern"))?;
    let comment = comment(service.parent_file().file_descriptor_proto(), method.path());
    let is_open = comment.ends_with(OPEN_MARK);
    Ok(Some(Rpc {
        name: method.name().to_owned(),
        verb,
        template,
        input: method.input().full_name().to_owned(),
        output: method.output().full_name().to_owned(),
        comment: comment.strip_suffix(OPEN_MARK).unwrap_or(&comment).trim().to_owned(),
        is_open,
        is_creating: CREATING.contains(&full_name.as_str()),
    }))
}

fn pattern(rule: &DynamicMessage) -> Option<(&'static str, String)> {
    for (field, verb) in [("get", "GET"), ("put", "PUT"), ("post", "POST"), ("delete", "DELETE"), ("patch", "PATCH")] {
        if rule.has_field_by_name(field) {
            return Some((verb, rule.get_field_by_name(field)?.as_str()?.to_owned()));
        }
    }
    None
}

/// The leading comment of what stands at `path`, as one paragraph.
pub fn comment(file: &prost_reflect::prost_types::FileDescriptorProto, path: &[i32]) -> String {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    let text = locations.filter(|l| l.path == path).find_map(|l| l.leading_comments.as_deref()).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The comment of a message.
pub fn message_comment(message: &MessageDescriptor) -> String {
    comment(message.parent_file().file_descriptor_proto(), message.path())
}

/// The comment of a field.
pub fn field_comment(field: &FieldDescriptor) -> String {
    comment(field.parent_message().parent_file().file_descriptor_proto(), field.path())
}

/// The comment of an enum.
pub fn enum_comment(names: &EnumDescriptor) -> String {
    comment(names.parent_file().file_descriptor_proto(), names.path())
}

/// `crate::auth::v1::LoginRequest` for `godwit.auth.v1.LoginRequest`.
pub fn rust_path(full_name: &str) -> String {
    format!("crate::{}", full_name.trim_start_matches("godwit.").replace('.', "::"))
}

/// `get_user` for `GetUser`.
pub fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
