import { installPackages } from "../../../lib/packages";

/** Debian's Chromium. */
export const CHROMIUM = "/usr/bin/chromium";

/** Installs the browser of the tests, with a font in which pictures look the same on each machine. */
export const installBrowser = (): Promise<void> =>
  installPackages(
    {
      chromium: `command -v ${CHROMIUM}`,
      "fonts-liberation": "fc-list | grep -q LiberationSans",
    },
    "the tests of the page need Chromium: install Debian's packages chromium and fonts-liberation",
    ["--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"],
  );
