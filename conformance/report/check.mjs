// Opens a report in Chromium and holds it against what it promises: it is complete with scripts off,
// asks nobody for anything, shows hostile names as text, and passes the accessibility rules.
//
// Usage: node check.mjs REPORT.html [SCREENSHOT.png]
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [report, screenshot] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
});
const failures = [];
const expect = (holds, what) => { if (!holds) failures.push(what); };

async function open(options) {
  const context = await browser.newContext({ bypassCSP: true, ...options });
  const page = await context.newPage();
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => expect(message.type() !== "error", `console: ${message.text()}`));
  page.on("pageerror", (error) => failures.push(`page error: ${error.message}`));
  page.on("dialog", (dialog) => { failures.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(pathToFileURL(report).href);
  expect(requests.length === 1, `requests beside the file itself: ${requests.slice(1).join(" ")}`);
  return page;
}

// With scripts off everything has to be there.
const plain = await open({ javaScriptEnabled: false });
const text = await plain.locator("body").innerText();
for (const heading of ["Questions", "Reads and sends", "Destinations", "Claims", "Checks", "Environment"]) {
  expect(text.includes(heading), `the heading ${heading} is missing with scripts off`);
}
expect(!/[\u0000-\u0008\u000b-\u001f\u202a-\u202e\u2066-\u2069\u200e\u200f]/.test(text), "a control or bidirectional character is shown raw");
expect((await plain.locator("script, img, iframe, object, embed, link[rel=stylesheet]").count()) === 0, "an element that loads or runs something is there");

for (const colorScheme of ["light", "dark"]) {
  const page = await open({ colorScheme, viewport: { width: 1280, height: 900 } });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  expect(!wide, `the page is wider than the window in ${colorScheme}`);
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
  await page.evaluate(axe);
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  for (const violation of result.violations) {
    const where = violation.nodes.slice(0, 3).map((node) => node.target.join(" ")).join("; ");
    failures.push(`axe in ${colorScheme}: ${violation.id}: ${violation.help} (${where})`);
  }
}

const narrow = await open({ viewport: { width: 390, height: 800 } });
expect(!(await narrow.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)), "the page is wider than a telephone");

if (screenshot) {
  const page = await open({ colorScheme: "light", viewport: { width: 1180, height: 1500 } });
  await page.screenshot({ path: screenshot });
}
await browser.close();
for (const failure of failures) console.error(`failed: ${failure}`);
console.log(`${failures.length === 0 ? "the report holds" : `${failures.length} failures`}`);
process.exit(failures.length === 0 ? 0 : 1);
