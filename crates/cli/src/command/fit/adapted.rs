//! `fit --source A --target B`: a head for a domain without labels, on images or on a table of features.

use heirloom_data::{FeatureTable, Table, TableOptions};
use heirloom_transfer::adaptation::{Adaptation, Alignment, ColumnScaling, Coverage, Preprocessing, RowScaling};
use heirloom_transfer::fit::{AdaptedOptions, Fit, FitReport, Watch, fit_adapted, fit_adapted_table};
use heirloom_transfer::heads::Method;
use heirloom_transfer::store::Store;

use super::{Job, artifact, features, limited, page, picture, text, watched};
use crate::arguments::{AlignName, ColumnScalingName, FitArguments, MethodName, RowScalingName};
use crate::backbone;
use crate::command::limit;
use crate::console::Console;
use crate::failure::Failure;

/// What was typed about domains; `None` for a fit within one.
pub fn options(arguments: &FitArguments) -> Result<Option<AdaptedOptions>, Failure> {
    let typed = &arguments.adaptation;
    let easytl = arguments.method == MethodName::EasyTl;
    let Some(target) = &typed.target else {
        let source = (!typed.source.is_empty()).then_some("--source");
        let method = easytl.then_some("--method easytl");
        return match source.or(method).or(typed.typed()) {
            None => Ok(None),
            Some(option) => Err(Failure::input(format!("{option} needs a target domain"))
                .hint("name both domains: --source A --target B, values of the column `domain`")),
        };
    };
    if typed.source.is_empty() {
        return Err(Failure::input("--target needs a source domain").hint("name it with --source"));
    }
    if easytl && arguments.frozen.normalization.is_some() {
        return Err(Failure::input("--normalization is not for easytl").hint("--scale-rows and --scale-columns are"));
    }
    if typed.coverage.is_some() && !easytl {
        return Err(
            Failure::input(format!("--coverage is for easytl, not for '{}'", arguments.method)).hint("leave it out")
        );
    }
    let reads_all = Option::<Method>::from(arguments.method).is_some_and(Method::reads_all_taps);
    if reads_all || arguments.method.trained().is_some() {
        let fact = format!("'{}' is not for adaptation from one domain to another", arguments.method);
        return Err(Failure::input(fact).hint("name easytl, or a method that fits a head on the last features"));
    }
    let preprocessing = Preprocessing { rows: rows(typed.scale_rows), columns: columns(typed.scale_columns) };
    let alignment = match typed.align.unwrap_or(if easytl { AlignName::Coral } else { AlignName::Raw }) {
        AlignName::Coral => Alignment::Coral { lambda: typed.coral_lambda.unwrap_or(1.0) },
        AlignName::Raw if typed.coral_lambda.is_some() => {
            return Err(Failure::input("--coral-lambda is for --align coral").hint("leave it out"));
        }
        AlignName::Raw => Alignment::Raw,
    };
    Ok(Some(AdaptedOptions {
        column: typed.domain_column.clone().unwrap_or_else(|| "domain".to_owned()),
        sources: typed.source.clone(),
        target: target.clone(),
        adaptation: Adaptation { preprocessing, alignment },
        easytl: easytl.then(|| typed.coverage.clone().unwrap_or(Coverage::AtLeast(1))),
        safe: typed.safe,
    }))
}

fn rows(typed: Option<RowScalingName>) -> RowScaling {
    match typed {
        Some(RowScalingName::None) => RowScaling::None,
        None | Some(RowScalingName::L1) => RowScaling::L1,
        Some(RowScalingName::L2) => RowScaling::L2,
    }
}

fn columns(typed: Option<ColumnScalingName>) -> ColumnScaling {
    match typed {
        Some(ColumnScalingName::None) => ColumnScaling::None,
        Some(ColumnScalingName::Source) => ColumnScaling::SourceZScore,
        None | Some(ColumnScalingName::Domain) => ColumnScaling::DomainZScore,
    }
}

/// Adapts, writes the model and the report, and prints the summary.
pub fn make(
    job: &mut Job,
    adapted: &AdaptedOptions,
    arguments: &FitArguments,
    console: Console,
) -> Result<FitReport, Failure> {
    let options = TableOptions { keep_unlabelled: true, ..features::options(&arguments.table) };
    let fit = if features::is_table(&arguments.table.data)? {
        features::refuse_network(arguments)?;
        let table = FeatureTable::open(&arguments.table.data, &options)?;
        job.rows = limited(&table.table, arguments);
        let stage = |text: &str| console.stage(text);
        let watch = Watch { progress: None, stage: Some(&stage), cancel: None };
        let fit = fit_adapted_table(&table, &job.fit_options(), adapted, watch)?;
        artifact::save_features(&fit, table.principal(), &job.output)?;
        if let Some(path) = &job.report {
            page::write(path, &fit.record, |_| None)?;
        }
        fit
    } else {
        let backbone = backbone::open(arguments.backbone.as_deref())?;
        let table = Table::open(&arguments.table.data, &options)?;
        let table = limit::limited(table, arguments.table.limit, arguments.seed);
        let fit = on_images(&backbone, &table, job, adapted, console)?;
        artifact::save(&fit, &backbone, job.slim, &job.output)?;
        if let Some(path) = &job.report {
            page::write(path, &fit.record, |row| picture(&table, row))?;
        }
        fit
    };
    console.say(format!("\n{}", text::summary(&fit.record, &job.output, job.report.as_deref())));
    Ok(fit.record)
}

fn on_images(
    backbone: &heirloom_zoo::Backbone,
    table: &Table,
    job: &Job,
    adapted: &AdaptedOptions,
    console: Console,
) -> Result<Fit, Failure> {
    let store = Store::new(&job.cache);
    let options = job.fit_options();
    watched(console, |watch| Ok(fit_adapted(backbone, table, Some(&store), &options, adapted, watch)?))
}
