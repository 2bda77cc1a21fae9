/** Small bars, one an hour; what they say is in words, too. */
export function Spark({ of, say }: { of: number[]; say: string }) {
  const most = Math.max(...of, 1);
  const w = 4;
  const h = 20;
  return (
    <svg className="spark" role="img" aria-label={say} width={of.length * w} height={h} viewBox={`0 0 ${of.length * w} ${h}`}>
      <title>{say}</title>
      {of.map((n, i) => {
        const tall = n === 0 ? 1 : Math.max(2, Math.round((n / most) * h));
        return <rect key={i} x={i * w} y={h - tall} width={w - 1} height={tall} className={n === 0 ? 'none' : 'some'} />;
      })}
    </svg>
  );
}
