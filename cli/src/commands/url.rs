//! `thaw url`.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use thaw_proto::v1::{
    AddPermissionRequest, Cors, CreateFunctionUrlRequest, DeleteFunctionUrlRequest, FunctionUrl,
    GetFunctionUrlRequest, InvokeMode, ListFunctionUrlsRequest, UpdateFunctionUrlRequest, UrlAuthType,
};
use tonic::Code;

use crate::{
    client::Client,
    failure::Failure,
    ui::{Ui, stamp},
};

/// What lets everybody in: both are needed, each with its condition. The names are the AWS console's way of naming them.
const PUBLIC_URL: &str = "FunctionURLAllowPublicAccess";
const PUBLIC_CALL: &str = "FunctionURLInvokeAllowPublicAccess";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Give a function or an alias a URL.
    #[command(after_help = "Examples:\n  \
        thaw url create hello --public\n  \
        thaw url create hello:live --auth aws-iam --stream\n  \
        thaw url create api --public --allow-origin https://app.example.org --allow-method '*' --allow-header content-type")]
    Create {
        /// The function's name or ARN, with or without :ALIAS.
        name: String,
        /// Whom it lets in. `none` lets in whom the policy says, and so nobody yet.
        #[arg(long, value_enum, required_unless_present = "public")]
        auth: Option<Auth>,
        /// Let everybody in: --auth none, and the two statements of the policy that it takes.
        #[arg(long, conflicts_with = "auth")]
        public: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Show a URL.
    Show {
        /// The function's name or ARN, with or without :ALIAS.
        name: String,
    },
    /// Change a URL; its address stays. What is not said stays too.
    Update {
        /// The function's name or ARN, with or without :ALIAS.
        name: String,
        /// Whom it lets in. The policy stays as it is.
        #[arg(long, value_enum)]
        auth: Option<Auth>,
        /// Leave CORS to the function.
        #[arg(long, conflicts_with_all = Settings::CORS)]
        no_cors: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Take a URL away, for good. The policy stays.
    Delete {
        /// The function's name or ARN, with or without :ALIAS.
        name: String,
    },
    /// Show the URLs of a function and its aliases.
    List {
        /// The function's name or ARN.
        name: String,
    },
}

/// Whom a URL lets in.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Auth {
    /// Whoever comes, as the policy says.
    None,
    /// Who signs: its own account, and others as the policy says.
    AwsIam,
}

#[derive(Args, Debug)]
pub(crate) struct Settings {
    /// Hand over what the function answers in pieces, as they come.
    #[arg(long, conflicts_with = "buffer")]
    stream: bool,
    /// Hand it over when it is complete.
    #[arg(long)]
    buffer: bool,
    /// Let pages of this origin ask, or of every one: *. May be given several times. What is said of CORS replaces all of it.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Let them use this method, or every one: *. May be given several times.
    #[arg(long, value_name = "METHOD")]
    allow_method: Vec<String>,
    /// Let them send this header. May be given several times.
    #[arg(long, value_name = "HEADER")]
    allow_header: Vec<String>,
    /// Let them see this header of the answer. May be given several times.
    #[arg(long, value_name = "HEADER")]
    expose_header: Vec<String>,
    /// Let them send cookies and other credentials.
    #[arg(long)]
    allow_credentials: bool,
    /// Seconds that a browser may remember all that for.
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u32>,
}

impl Settings {
    const CORS: [&'static str; 6] =
        ["allow_origin", "allow_method", "allow_header", "expose_header", "allow_credentials", "max_age"];

    fn mode(&self) -> InvokeMode {
        match (self.stream, self.buffer) {
            (true, _) => InvokeMode::ResponseStream,
            (_, true) => InvokeMode::Buffered,
            _ => InvokeMode::Unspecified,
        }
    }

    fn cors(self) -> Option<Cors> {
        let cors = Cors {
            allow_credentials: self.allow_credentials.then_some(true),
            allow_headers: self.allow_header,
            allow_methods: self.allow_method,
            allow_origins: self.allow_origin,
            expose_headers: self.expose_header,
            max_age: self.max_age,
        };
        (cors != Cors::default()).then_some(cors)
    }
}

pub(super) fn auth_type(auth: Option<Auth>) -> UrlAuthType {
    match auth {
        None => UrlAuthType::Unspecified,
        Some(Auth::None) => UrlAuthType::None,
        Some(Auth::AwsIam) => UrlAuthType::AwsIam,
    }
}

pub(crate) async fn run(command: Command, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let mut urls = client.urls().await?;
    match command {
        Command::Create { name, auth, public, settings } => {
            let auth = if public { Some(Auth::None) } else { auth };
            let request = CreateFunctionUrlRequest {
                function_name: name.clone(),
                auth_type: auth_type(auth).into(),
                invoke_mode: settings.mode().into(),
                cors: settings.cors(),
            };
            let made = urls.create_function_url(request).await?.into_inner().url;
            if public {
                let_everybody_in(&name, client).await?;
            } else if matches!(auth, Some(Auth::None)) {
                ui.note(
                    "the URL lets nobody in until the policy does: create it with --public for everybody",
                );
            }
            show(made, ui)
        }
        Command::Show { name } => {
            let request = GetFunctionUrlRequest { function_name: name };
            show(urls.get_function_url(request).await?.into_inner().url, ui)
        }
        Command::Update { name, auth, no_cors, settings } => {
            let request = UpdateFunctionUrlRequest {
                function_name: name,
                auth_type: auth_type(auth).into(),
                invoke_mode: settings.mode().into(),
                cors: if no_cors { Some(Cors::default()) } else { settings.cors() },
            };
            show(urls.update_function_url(request).await?.into_inner().url, ui)
        }
        Command::Delete { name } => {
            let request = DeleteFunctionUrlRequest { function_name: name.clone() };
            urls.delete_function_url(request).await?;
            ui.done(&json!({ "Deleted": name }), &format!("deleted {name}"))
        }
        Command::List { name } => {
            let mut all = Vec::new();
            let mut page_token = String::new();
            loop {
                let request =
                    ListFunctionUrlsRequest { function_name: name.clone(), page_size: 0, page_token };
                let page = urls.list_function_urls(request).await?.into_inner();
                all.extend(page.urls);
                if page.next_page_token.is_empty() {
                    break;
                }
                page_token = page.next_page_token;
            }
            list(&all, ui)
        }
    }
}

/// A statement that is there already was made before, and stays.
async fn let_everybody_in(name: &str, client: &Client) -> Result<(), Failure> {
    let statement = |id: &str, action: &str| AddPermissionRequest {
        function_name: name.to_owned(),
        statement_id: id.to_owned(),
        action: action.to_owned(),
        principal: "*".to_owned(),
        ..AddPermissionRequest::default()
    };
    let mut attributes = client.attributes().await?;
    for request in [
        AddPermissionRequest {
            function_url_auth_type: UrlAuthType::None.into(),
            ..statement(PUBLIC_URL, "lambda:InvokeFunctionUrl")
        },
        AddPermissionRequest {
            invoked_via_function_url: Some(true),
            ..statement(PUBLIC_CALL, "lambda:InvokeFunction")
        },
    ] {
        match attributes.add_permission(request).await {
            Ok(_) => {}
            Err(status) if status.code() == Code::AlreadyExists => {}
            Err(status) => return Err(status.into()),
        }
    }
    Ok(())
}

fn list(urls: &[FunctionUrl], ui: &Ui) -> Result<(), Failure> {
    if ui.is_json() {
        return ui.json(&json!({ "FunctionUrlConfigs": urls.iter().map(as_json).collect::<Vec<_>>() }));
    }
    if urls.is_empty() {
        ui.note("no URLs");
        return Ok(());
    }
    let rows = urls.iter().map(|url| {
        let function = url.function_arn.split(':').skip(6).collect::<Vec<_>>().join(":");
        vec![function, auth(url).to_owned(), mode(url).to_owned(), url.url.clone()]
    });
    ui.table(&["function", "auth", "mode", "url"], rows.collect())
}

fn show(url: Option<FunctionUrl>, ui: &Ui) -> Result<(), Failure> {
    let url = url.unwrap_or_default();
    if ui.is_json() {
        return ui.json(&as_json(&url));
    }
    let mut pairs = vec![
        ("url", url.url.clone()),
        ("path", url.path.clone()),
        ("arn", url.function_arn.clone()),
        ("auth", auth(&url).to_owned()),
        ("mode", mode(&url).to_owned()),
        ("created", stamp(url.creation_time)),
        ("modified", stamp(url.last_modified)),
    ];
    if let Some(cors) = url.cors {
        for (name, list) in [
            ("origins", cors.allow_origins),
            ("methods", cors.allow_methods),
            ("headers", cors.allow_headers),
            ("exposed", cors.expose_headers),
        ] {
            if !list.is_empty() {
                pairs.push((name, list.join(", ")));
            }
        }
        pairs.extend(cors.allow_credentials.map(|allowed| ("credentials", allowed.to_string())));
        pairs.extend(cors.max_age.map(|age| ("max age", format!("{age}s"))));
    }
    ui.list(&pairs)
}

fn auth(url: &FunctionUrl) -> &'static str {
    match url.auth_type() {
        UrlAuthType::None => "NONE",
        UrlAuthType::AwsIam => "AWS_IAM",
        UrlAuthType::Unspecified => "",
    }
}

fn mode(url: &FunctionUrl) -> &'static str {
    match url.invoke_mode() {
        InvokeMode::ResponseStream => "RESPONSE_STREAM",
        InvokeMode::Buffered | InvokeMode::Unspecified => "BUFFERED",
    }
}

fn as_json(url: &FunctionUrl) -> Value {
    let cors = url.cors.as_ref().map(|cors| {
        json!({
            "AllowCredentials": cors.allow_credentials,
            "AllowHeaders": cors.allow_headers,
            "AllowMethods": cors.allow_methods,
            "AllowOrigins": cors.allow_origins,
            "ExposeHeaders": cors.expose_headers,
            "MaxAge": cors.max_age,
        })
    });
    json!({
        "FunctionUrl": url.url,
        "Path": url.path,
        "FunctionArn": url.function_arn,
        "AuthType": auth(url),
        "InvokeMode": mode(url),
        "Cors": cors,
        "CreationTime": stamp(url.creation_time),
        "LastModifiedTime": stamp(url.last_modified),
    })
}
