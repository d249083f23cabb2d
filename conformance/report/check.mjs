// Opens a report in Chromium and holds it against what it promises: it is complete with scripts off,
// asks nobody for anything, shows hostile names as text, passes the accessibility rules in light and
// dark, and prints.
//
// Usage: node check.mjs REPORT.html [--shows FILE] [--pictures FOLDER]
//   --shows FILE       text that the page has to show as it is, such as a hostile name
//   --pictures FOLDER  leaves the page there as a person sees it: light, dark, narrow, printed
//
// `./x test` runs it with the packages of package-lock.json beside it, in the target folder.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { shows: { type: "string" }, pictures: { type: "string" } },
});
const report = pathToFileURL(positionals[0]).href;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// Playwright adds an empty profile of its own. No name resolves, so what the check below should miss
// still gets nowhere.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
  ],
});

const failures = [];
const expect = (holds, what) => { if (!holds) failures.push(what); };

// The page's own policy is taken away: what it would forbid must not be there in the first place.
async function open(settings) {
  const context = await browser.newContext({ bypassCSP: true, ...settings });
  const page = await context.newPage();
  const outside = [];
  await page.route("**/*", (route) => {
    if (route.request().url() === report) return route.continue();
    outside.push(route.request().url());
    return route.abort();
  });
  page.on("console", (message) => expect(message.type() !== "error", `console: ${message.text()}`));
  page.on("pageerror", (error) => failures.push(`page error: ${error.message}`));
  page.on("dialog", (dialog) => { failures.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(report);
  await page.waitForLoadState("networkidle");
  expect(outside.length === 0, `${outside.length} requests beside the file itself: ${outside.join(" ")}`);
  return page;
}

// Closed sections are opened by people, not by scripts; what they hold is part of the text.
const text = (page) => page.locator("body").textContent();

const plain = await open({ javaScriptEnabled: false });
const scripted = await open({});
const complete = await text(plain);
expect(complete === await text(scripted), "the text differs with scripts off");
for (const heading of [
  "Questions", "Reads and sends", "Identifiers", "Destinations", "Paths from bait", "Claims", "Checks",
  "What could not be seen", "Environment",
]) {
  const found = await plain.getByRole("heading", { name: heading }).count();
  expect(found > 0, `the heading ${heading} is missing with scripts off`);
}
// Everything but letters, marks, numbers, punctuation, symbols, plain spaces and line ends.
const deceptive = /[^\P{C}\n\t]/u;
expect(!deceptive.test(complete), "a control or bidirectional character is shown raw");
const loads = "script, img, iframe, object, embed, link, base, form, [src], [onerror], [onload], [style]";
expect((await plain.locator(loads).count()) === 0, "an element that loads or runs something is there");
const links = await plain.locator("a").evaluateAll((all) => all.map((link) => link.getAttribute("href")));
expect(links.every((link) => link.startsWith("#")), "a link leads out of the page");
if (options.shows) {
  const name = readFileSync(options.shows, "utf8").trimEnd();
  const times = complete.split(name).length - 1;
  expect(times >= 20, `the hostile name is shown as text ${times} times only`);
}

for (const colorScheme of ["light", "dark"]) {
  const page = await open({ colorScheme, viewport: { width: 1280, height: 900 } });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  expect(!wide, `the page is wider than the window in ${colorScheme}`);
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  expect(found.passes.length > 10, "the accessibility rules did not run");
  for (const violation of found.violations) {
    const where = violation.nodes.slice(0, 3).map((node) => node.target.join(" ")).join("; ");
    failures.push(`axe in ${colorScheme}: ${violation.id}: ${violation.help} (${where})`);
  }
}

const narrow = await open({ viewport: { width: 390, height: 800 } });
const overflows = await narrow.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
expect(!overflows, "the page is wider than a telephone");

// On paper nothing can be opened or scrolled: what is closed on the screen has to be there.
const printed = await open({ viewport: { width: 794, height: 1123 } });
await printed.emulateMedia({ media: "print", colorScheme: "dark" });
const cut = await printed.evaluate(() => {
  const hidden = [...document.querySelectorAll("details > :not(summary)")].filter((part) => part.checkVisibility() === false);
  const scrolled = [...document.querySelectorAll("div")].filter((part) => part.scrollWidth > part.clientWidth + 1);
  const ground = getComputedStyle(document.body).backgroundColor;
  return { hidden: hidden.length, scrolled: scrolled.length, ground };
});
expect(cut.hidden === 0, `${cut.hidden} parts are missing on paper`);
expect(cut.scrolled === 0, `${cut.scrolled} parts are cut off on paper`);
expect(/^rgb\(2[45]\d, 2[45]\d, 2[45]\d\)$/.test(cut.ground), `the paper is printed ${cut.ground}`);
const pdf = await printed.pdf({ format: "A4" });
expect(pdf.subarray(0, 5).toString() === "%PDF-", "the page does not print");

if (options.pictures) await leavePictures(options.pictures);
await browser.close();
for (const failure of failures) console.error(`failed: ${failure}`);
console.log(failures.length === 0 ? "the report holds" : `${failures.length} failures`);
process.exitCode = failures.length === 0 ? 0 : 1;

async function leavePictures(folder) {
  mkdirSync(folder, { recursive: true });
  for (const [name, colorScheme, width] of [["light", "light", 1180], ["dark", "dark", 1180], ["narrow", "light", 390]]) {
    const page = await open({ colorScheme, viewport: { width, height: 900 } });
    await page.screenshot({ path: `${folder}/${name}-top.png` });
    await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
  }
  await printed.pdf({ format: "A4", path: `${folder}/printed.pdf` });
}
