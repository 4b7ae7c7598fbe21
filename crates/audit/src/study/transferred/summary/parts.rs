//! Modules put back, averaged over the networks of each start, and criticality.

use crate::study::transferred::record::{CriticalRecord, ModuleRecord, ModulesRecord};
use crate::study::transferred::rewound::{Module, Rewound};
use crate::study::transferred::view::View;
use crate::study::transferred::{Family, Run, Start};

pub(super) fn modules(view: &View<'_>) -> Vec<ModulesRecord> {
    let of = |(family, target): (Family, usize)| {
        [Start::SOURCE, Start::RANDOM].into_iter().filter_map(move |start| of_start(view, family, target, start))
    };
    view.places().into_iter().flat_map(of).collect()
}

fn of_start(view: &View<'_>, family: Family, target: usize, start: Start) -> Option<ModulesRecord> {
    let wanted = |run: &Run| run.family == family && run.target == target && run.start == start;
    let all: Vec<&Rewound> =
        view.found.rewound.iter().filter(|(run, _)| wanted(run)).map(|(_, rewound)| rewound).collect();
    let record = |module: &Module| {
        let of = |value: &dyn Fn(&Module) -> Option<f64>| {
            let one = |rewound: &&Rewound| value(rewound.modules.iter().find(|other| other.name == module.name)?);
            let values: Vec<f64> = all.iter().filter_map(one).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        Some(ModuleRecord {
            module: module.name.clone(),
            drop: view.estimate(|draw| view.drop(draw, (family, target, start), |other| other.name == module.name))?,
            distance: of(&|module| Some(module.distance))?,
            random_drop: of(&|module| module.random_drop),
        })
    };
    let modules = all.first()?.modules.iter().filter_map(record).collect();
    Some(ModulesRecord { family, target: view.name(target), start, replicas: all.len(), modules })
}

pub(super) fn critical(view: &View<'_>) -> Vec<CriticalRecord> {
    let record = |(run, rewound): (&Run, &Rewound)| CriticalRecord {
        family: run.family,
        target: view.name(run.target),
        start: run.start,
        network: rewound.criticality,
        limit: rewound.limit,
        modules: rewound.modules.iter().filter_map(|module| Some((module.name.clone(), module.criticality?))).collect(),
        valleys: rewound.modules.iter().map(|module| (module.name.clone(), module.valley.clone())).collect(),
    };
    view.found.critical.iter().map(record).collect()
}
