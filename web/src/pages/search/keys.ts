/** The keys of the search page, for the list of all keys. */
export const searchKeys: readonly (readonly [string, string])[] = [
  ['Ctrl Enter', 'In the bar: run, whatever is offered'], ['Shift Enter', 'In the bar: a new line'], ['Ctrl Space', 'In the bar: offer what may stand here'], ['Tab', 'In the bar: take what is offered'], ['↑', 'In an empty bar: your last searches'],
  ['j k', 'The next event, the one before'], ['Enter ', 'On an event: open it, or close it'], ['x', 'Choose an event'], ['c', 'Columns'], ['t', 'Tail, or stop it'],
];
