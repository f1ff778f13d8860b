//! `/v1/genomes`: what is stored, what became of it, what may run.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chimera_layer4_api::genomes::{
    AdmittedGenome, CollectRequest, GenomeDetail, GenomeDiff, GenomeSummary, Gone, Lineage, Pushed,
    Verified,
};
use chimera_layer4_api::paths;
use chimera_layer4_api::problem::code;
use chimera_layer4_core::Digest;
use chimera_layer4_core::genome::lineage::{Retention, Source};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::answer::{Answer, Json};
use super::error::Problem;
use super::extract::{Id, Json as Body, Params};
use super::problems;
use super::turns::{Client, busy};
use chimera_layer4_fabric::{GenomeReport, NewGenome};

/// A component by its own type, and as clients declare bytes that they know nothing of.
const BYTES: [&str; 2] = ["application/wasm", "application/octet-stream"];
/// A century, and longer than any lineage: more is a slip.
const MOST_DAYS: u64 = 36_500;
const MOST_ANCESTORS: u64 = 1000;
/// Characters of an agent type's name and of an author's.
const MOST_NAME: usize = 256;
/// Recorded tasks that a genome is tried with.
const MOST_SAMPLES: usize = 100;
/// Characters of all interfaces that are allowed.
const MOST_ALLOWED: usize = 4096;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(push, list))
        .routes(routes!(verify))
        .routes(routes!(collect))
        .routes(routes!(show))
        .routes(routes!(diff))
        .routes(routes!(pin, unpin))
        .routes(routes!(lineage))
}

/// The bytes of a component.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "a schema")]
struct Component(Vec<u8>);

/// Admits a component and stores it; nothing takes over by that. The body is
/// the component.
#[utoipa::path(
    post, path = paths::GENOMES, tag = "genomes",
    operation_id = "push_genome", params(Pushed),
    request_body(
        content = inline(Component), content_type = "application/octet-stream",
        description = "The component; `application/wasm` is taken too"
    ),
    responses(
        (status = 200, description = "It is stored already", body = AdmittedGenome),
        (status = 201, description = "It is admitted and stored", body = AdmittedGenome),
        problems::Pushing,
    )
)]
async fn push(
    State(app): State<App>,
    Params(said): Params<Pushed>,
    client: Client,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let texts = [("agent_type", said.agent_type.as_deref().unwrap_or("-"), MOST_NAME)];
    let texts = texts.into_iter().chain([
        ("author", said.author.as_str(), MOST_NAME),
        ("allow", said.allow.as_str(), MOST_ALLOWED),
        ("source", said.source.as_deref().unwrap_or_default(), MOST_ALLOWED),
    ]);
    for (name, text, most) in texts {
        if text.chars().count() > most || (name == "agent_type" && text.is_empty()) {
            let length = text.chars().count();
            let message = format!("{name} has {length} characters; allowed are up to {most}");
            return Err(Problem::invalid(message));
        }
    }
    if said.samples > MOST_SAMPLES {
        let message = format!("samples is {}; allowed is 0 to {MOST_SAMPLES}", said.samples);
        return Err(Problem::invalid(message));
    }
    let source = said.source.as_deref().map_or(Ok(Source::Api), str::parse);
    let source = source.map_err(Problem::invalid)?;
    let most = app.fabric.max_component_bytes();
    // The body is read first: a client that is still sending would not read the error.
    let bytes: Arc<[u8]> = app.uploads.read(request, most).await?.into();
    let typed = headers.get(header::CONTENT_TYPE).and_then(|typed| typed.to_str().ok());
    if !typed.is_some_and(|typed| BYTES.contains(&typed)) {
        let message = format!(
            "the content type is {:?}; allowed are {}",
            typed.unwrap_or_default(),
            BYTES.join(" and ")
        );
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code::NOT_WASM, message));
    }
    let _turn = client.turn_to_work()?;
    let allow = said.allow.split(',').map(str::trim).filter(|name| !name.is_empty());
    let new = NewGenome {
        author: said.author,
        source,
        parent: said.parent,
        agent_type: said.agent_type,
        allow: allow.map(str::to_owned).collect(),
        recorded_samples: said.samples,
        is_untried: said.untried,
        ..NewGenome::new(bytes)
    };
    let admitted = app.fabric.genomes().push(new).await?;
    let status = if admitted.new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Answer(admitted)).into_response())
}

/// The stored genomes, in the order of their digests.
#[utoipa::path(
    get, path = paths::GENOMES, tag = "genomes",
    operation_id = "list_genomes",
    responses((status = 200, description = "The genomes", body = Vec<GenomeSummary>), problems::Asking)
)]
async fn list(State(app): State<App>) -> Json<Vec<GenomeSummary>> {
    Ok(Answer(app.fabric.genomes().list().await?))
}

/// All that is known of a genome.
#[utoipa::path(
    get, path = paths::GENOME, tag = "genomes",
    operation_id = "get_genome", params(("genome" = Digest, Path)),
    responses((status = 200, description = "The genome", body = GenomeDetail), problems::Finding)
)]
async fn show(State(app): State<App>, Id(genome): Id<Digest>) -> Json<GenomeDetail> {
    Ok(Answer(app.fabric.genomes().detail(genome).await?))
}

/// How a genome differs from another.
#[utoipa::path(
    get, path = paths::GENOME_DIFF, tag = "genomes",
    operation_id = "diff_genomes", params(("genome" = Digest, Path), ("other" = Digest, Path)),
    responses((status = 200, description = "The difference", body = GenomeDiff), problems::Finding)
)]
async fn diff(
    State(app): State<App>,
    Id((genome, other)): Id<(Digest, Digest)>,
) -> Json<GenomeDiff> {
    Ok(Answer(app.fabric.genomes().diff(genome, other).await?))
}

/// Keeps a genome whatever else is collected.
#[utoipa::path(
    put, path = paths::GENOME_PIN, tag = "genomes",
    operation_id = "pin_genome", params(("genome" = Digest, Path)),
    responses((status = 204, description = "It is kept"), problems::Finding)
)]
async fn pin(State(app): State<App>, Id(genome): Id<Digest>) -> Result<StatusCode, Problem> {
    app.fabric.genomes().pin(genome, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps a genome no longer than others.
#[utoipa::path(
    delete, path = paths::GENOME_PIN, tag = "genomes",
    operation_id = "unpin_genome", params(("genome" = Digest, Path)),
    responses((status = 204, description = "It is as others are"), problems::Finding)
)]
async fn unpin(State(app): State<App>, Id(genome): Id<Digest>) -> Result<StatusCode, Problem> {
    app.fabric.genomes().pin(genome, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Hashes every stored genome; what is damaged is put aside.
#[utoipa::path(
    post, path = paths::GENOMES_VERIFY, tag = "genomes",
    operation_id = "verify_genomes",
    responses((status = 200, description = "What was found", body = Verified), problems::Asking)
)]
async fn verify(State(app): State<App>, client: Client) -> Json<Verified> {
    let turn = client.turn_to_work()?;
    let _alone = turn.wait(app.verifying.acquire()).await.ok_or_else(busy)?;
    Ok(Answer(verified(app.fabric.genomes().verify().await?)))
}

/// What a check found, as the API says it.
#[must_use]
pub fn verified(report: GenomeReport) -> Verified {
    let findings = report.findings.iter().map(ToString::to_string);
    let findings = report.index.iter().cloned().chain(findings).collect();
    Verified { genomes: report.genomes, bytes: report.bytes, findings }
}

/// Removes genomes that are not in use. The record of them stays.
#[utoipa::path(
    post, path = paths::GENOMES_COLLECT, tag = "genomes",
    operation_id = "collect_genomes", request_body = CollectRequest,
    responses((status = 200, description = "What went", body = Gone), problems::Telling)
)]
async fn collect(
    State(app): State<App>,
    client: Client,
    Body(wanted): Body<CollectRequest>,
) -> Json<Gone> {
    let within = |name: &str, value: Option<u64>, most: u64| match value {
        Some(value) if value > most => {
            Err(Problem::invalid(format!("{name} is {value}; allowed is 0 to {most}")))
        }
        _ => Ok(()),
    };
    within("ancestors", wanted.ancestors.map(|count| count as u64), MOST_ANCESTORS)?;
    within("quiet_days", wanted.quiet_days.map(u64::from), MOST_DAYS)?;
    let retention = Retention::of(wanted.ancestors, wanted.quiet_days);
    let _turn = client.turn_to_work()?;
    let collected = app.fabric.genomes().collect(retention).await?;
    Ok(Answer(Gone { removed: collected.removed, freed_bytes: collected.freed_bytes }))
}

/// Which genomes an agent type had, and why.
#[utoipa::path(
    get, path = paths::AGENT_TYPE_LINEAGE, tag = "genomes",
    operation_id = "get_lineage", params(("name" = String, Path, min_length = 1, max_length = 256)),
    responses((status = 200, description = "The record", body = Lineage), problems::Finding)
)]
async fn lineage(State(app): State<App>, Id(name): Id<String>) -> Json<Lineage> {
    let entries = app.fabric.genomes().history(&name).await?;
    if entries.is_empty() {
        // Nothing is recorded of a type that runs since it was not asked for yet.
        app.fabric.agents().must_know_type(&name)?;
    }
    Ok(Answer(Lineage { tree: app.fabric.genomes().tree(&name).await?, entries }))
}
