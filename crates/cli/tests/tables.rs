//! Tables as users have them: a part of one, and groups that must stay together.
#![allow(clippy::unwrap_used)]

mod common;

use common::Scene;

#[test]
fn a_limit_takes_so_many_rows_of_each_split_and_the_same_share_of_every_class() {
    let scene = Scene::new();
    let fit = |limit: &str, output: &str| {
        let arguments = ["fit", "photos", "--backbone", "tiny.safetensors", "--method", "ncm", "--no-report", "--json"];
        scene.run(&[&arguments[..], &["--limit", limit, "-o", output]].concat())
    };
    let few = fit("20", "few.heirloom").json();
    assert_eq!((few["rows"]["train"].as_u64(), few["rows"]["test"].as_u64()), (Some(20), Some(20)), "{few}");
    let rows = |class: &serde_json::Value| class["rows"].as_u64().unwrap();
    let per_class: Vec<u64> = few["per_class"].as_array().unwrap().iter().map(rows).collect();
    assert_eq!(per_class, [5, 5, 5, 5]);
    assert_eq!(few["accuracy"]["n"], 20);
    let cached = scene.ok(&["cache", "--json"]).json();
    assert_eq!(cached["backbones"][0]["images"], 40, "no image beyond the limit went through the network");
    // The same rows again: nothing is computed anew, and the figures are equal.
    let again = fit("20", "again.heirloom").json();
    assert!(again["images_per_second"].is_null());
    assert_eq!(again["confusion"], few["confusion"]);
    // More than there are is all there are.
    let all = fit("1000", "all.heirloom").json();
    assert_eq!((all["rows"]["train"].as_u64(), all["rows"]["test"].as_u64()), (Some(56), Some(24)));
    fit("0", "none.heirloom").refused(2, &["--limit"]);
}

/// 24 products photographed four times each. Which of two classes a product belongs to has nothing to do with its looks.
fn products(scene: &Scene) -> Vec<(String, &'static str, usize)> {
    let mut rows = Vec::new();
    for product in 0..24_usize {
        let colour = [product * 37 % 230, product * 101 % 230, product * 59 % 230].map(|value| value as u8 + 12);
        let class = if [0, 3, 4, 6, 7, 10, 13, 15, 16, 19, 21, 22].contains(&product) { "good" } else { "faulty" };
        for photo in 0..4 {
            let name = format!("{product}-{photo}.bmp");
            scene.bitmap(&name, colour, (product * 4 + photo) as u64);
            rows.push((name, class, product));
        }
    }
    rows
}

#[test]
fn rows_of_a_group_never_stand_on_both_sides() {
    let scene = Scene::new();
    let rows = products(&scene);
    let write = |name: &str, header: &str, line: &dyn Fn(&(String, &str, usize)) -> String| {
        let lines: Vec<String> = rows.iter().map(line).collect();
        std::fs::write(scene.at(name), format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    };
    write("apart.csv", "path,label", &|(path, class, _)| format!("{path},{class}"));
    write("grouped.csv", "path,label,group", &|(path, class, product)| format!("{path},{class},product {product}"));
    write("named.csv", "path,label,product", &|(path, class, product)| format!("{path},{class},{product}"));
    let accuracy = |table: &str, more: &[&str]| {
        let fit =
            ["fit", table, "--backbone", "tiny.safetensors", "--method", "knn", "--force", "--no-report", "--json"];
        let fit = scene.ok(&[&fit[..], more].concat()).json();
        assert_eq!(fit["accuracy"]["n"], 96, "every row is judged once: {}", fit["accuracy"]);
        fit["accuracy"]["value"].as_f64().unwrap()
    };
    // A photo of the same product gives the answer away, as long as one may stand on the other side.
    let torn = accuracy("apart.csv", &[]);
    assert!(torn > 0.85, "{torn}");
    // Kept together, 24 products are as good as coins: 0.5 with a standard deviation of 0.1.
    for grouped in [accuracy("grouped.csv", &[]), accuracy("named.csv", &["--group-column", "product"])] {
        assert!(grouped < 0.75, "{grouped} with groups, {torn} without");
    }
}

#[test]
fn groups_torn_by_the_tables_own_splits_are_reported() {
    let scene = Scene::new();
    let rows = products(&scene);
    let line = |(at, (path, class, product)): (usize, &(String, &str, usize))| {
        format!("{path},{class},product {product},{}", if at % 4 == 3 && *product < 5 { "test" } else { "train" })
    };
    let lines: Vec<String> = rows.iter().enumerate().map(line).collect();
    std::fs::write(scene.at("split.csv"), format!("path,label,group,split\n{}\n", lines.join("\n"))).unwrap();
    let fit = ["fit", "split.csv", "--backbone", "tiny.safetensors", "--method", "ncm", "--no-report", "--json"];
    let warnings = scene.ok(&fit).json()["warnings"].to_string();
    assert!(warnings.contains("5 groups have rows both to train on and to test on, 5 of them"), "{warnings}");
    assert!(warnings.contains("product 0"), "{warnings}");
}
