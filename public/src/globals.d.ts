/** From package.json, put in place by the build. */
declare const __VERSION__: string;
