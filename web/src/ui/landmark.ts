/** Where menus open: within the page's main part, so that who goes from landmark to landmark finds them. */
export const mainLandmark = (): HTMLElement | null => document.querySelector('main')
