const MARK =
  '<rect width="40" height="40" rx="9" fill="#2f6f6b"/>' +
  '<path d="M6 15.5v9M11 11.5v17M16 7.5v25M22 12h12M22 20h12M22 28h8" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/>';

const NAME =
  '<text x="52" y="28" fill="#fff" font-family="system-ui,sans-serif" font-size="23" font-weight="600" textLength="170" lengthAdjust="spacingAndGlyphs">Stenographer</text>';

/** Sound that becomes lines of text, for the browser's tab (SVG). */
export const ICON = drawing('0 0 40 40', MARK);

/** The same with the name beside it, for a dark bar (SVG). */
export const LOGO = drawing('0 0 224 40', MARK + NAME);

function drawing(viewBox: string, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${viewBox}">${content}</svg>`;
}
