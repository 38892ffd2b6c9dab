#include "report/html/parts.h"

namespace assay {

const char* const kPageStyle = R"css(
*{box-sizing:border-box}
body{margin:0;background:var(--figure);color:var(--label);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
header,main,footer{max-width:1240px;margin:0 auto;padding:0 20px}
header{display:flex;justify-content:space-between;align-items:flex-start;padding-top:22px}
h1{font-size:26px;margin:0;color:var(--title)} header p{margin:2px 0 0;color:var(--subtitle)}
h2{font-size:19px;margin:38px 0 6px;color:var(--title)} h3{font-size:15px;margin:18px 0 4px}
.lead,.note,footer{color:var(--subtitle);font-size:13.5px;margin:0 0 10px;max-width:82ch}
.note p{margin:0 0 3px}
footer{margin:44px auto 26px}
button,select{font:inherit;color:inherit;background:var(--axes);border:1px solid var(--edge);border-radius:7px;padding:4px 10px;max-width:100%}
button{cursor:pointer} #theme{font-size:19px;line-height:1;padding:7px 10px}
.scroll{overflow-x:auto;border:1px solid var(--edge);border-radius:9px;max-height:85vh;overflow-y:auto}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th,td{padding:6px 10px;text-align:left;white-space:nowrap;border-bottom:1px solid var(--axes)}
tr:last-child td{border-bottom:0}
thead th{position:sticky;top:0;background:var(--axes);z-index:2;font-weight:600;vertical-align:bottom}
.n{text-align:right} .muted{color:var(--subtitle)} .fail{color:var(--t3);white-space:normal;min-width:22ch}
td:first-child,th:first-child{position:sticky;left:0;background:var(--figure);z-index:1}
thead th:first-child{z-index:3;background:var(--axes)}
.name{max-width:34ch;overflow:hidden;text-overflow:ellipsis;font-weight:600}
table.sortable th{cursor:pointer;user-select:none} table.sortable th:focus-visible,.tok:focus-visible{outline:2px solid var(--s0)}
th[aria-sort=ascending]::after{content:" ▲";font-size:9px} th[aria-sort=descending]::after{content:" ▼";font-size:9px}
.chart{margin:0 0 26px} .chart svg{display:block;width:100%;height:auto;font-family:"DejaVu Sans",Verdana,sans-serif}
.chart .narrow{display:none}
details summary{cursor:pointer;color:var(--subtitle);margin:6px 0 12px}
.matrix td,.matrix th{padding:4px 7px;font-size:12.5px} .matrix td.n{text-align:center}
.same{color:var(--subtitle)} .better{background:color-mix(in srgb,var(--s2) var(--w),transparent)}
.worse{background:color-mix(in srgb,var(--s3) var(--w),transparent)}
.tabs{display:flex;gap:6px;margin:0 0 8px;flex-wrap:wrap;align-items:center}
.tabs button[aria-pressed=true]{border-color:var(--s0);box-shadow:inset 0 0 0 1px var(--s0)}
.bar{display:flex;height:16px;min-width:220px;border-radius:4px;overflow:hidden;background:var(--axes)}
.bar i{display:block;height:100%;border-right:1px solid var(--figure)}
.keys{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;margin:0 0 8px} .keys i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px}
#view{line-height:2;font-size:15px;overflow-wrap:anywhere;white-space:pre-wrap;border:1px solid var(--edge);border-radius:9px;padding:12px 14px;max-height:60vh;overflow-y:auto}
.tok{border-radius:3px;padding:2px 0;cursor:default;background:color-mix(in srgb,var(--s1) var(--w),transparent)}
.ramp{display:inline-block;width:120px;height:11px;border-radius:3px;margin:0 6px;vertical-align:-1px;background:linear-gradient(90deg,transparent,color-mix(in srgb,var(--s1) 85%,transparent))}
#tip{position:fixed;z-index:9;display:none;max-width:min(430px,calc(100vw - 16px));background:var(--figure);border:1px solid var(--edge);border-radius:9px;padding:9px 12px;font-size:13px;box-shadow:0 6px 24px rgb(0 0 0/.25);pointer-events:none}
#tip .cols{display:grid;grid-template-columns:1fr 1fr;gap:0 18px} #tip b{display:block;margin-top:4px}
#tip .p{display:flex;justify-content:space-between;gap:8px} #tip .p span:first-child{overflow:hidden;text-overflow:ellipsis;white-space:pre}
#tip .hit{color:var(--t2);font-weight:600}
code{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:.92em;overflow-wrap:anywhere}
mark{background:color-mix(in srgb,var(--s1) 55%,transparent);color:inherit;border-radius:3px}
.worst .ctx{white-space:pre-wrap;overflow-wrap:anywhere;min-width:28ch}
dl{display:grid;grid-template-columns:minmax(130px,230px) 1fr;gap:4px 18px;margin:0} dt{color:var(--subtitle)} dd{margin:0;overflow-wrap:anywhere}
@media(max-width:700px){header,main,footer{padding-left:12px;padding-right:12px}h1{font-size:21px}
.chart .wide{display:none}.chart .narrow{display:block}.name{max-width:17ch}th,td{padding:5px 7px}dl{grid-template-columns:1fr}dt{margin-top:6px}}
@media(pointer:coarse){button,select{min-height:42px;padding:8px 14px}details summary{padding:9px 0}table.sortable th{padding-top:11px;padding-bottom:11px}}
@media print{#theme{display:none}.scroll{max-height:none;overflow:visible}}
)css";

const char* const kPageScript = R"js(
'use strict';
const root=document.documentElement;
document.getElementById('theme').onclick=()=>{
  const dark=root.dataset.theme?root.dataset.theme==='dark':matchMedia('(prefers-color-scheme:dark)').matches;
  root.dataset.theme=dark?'light':'dark';
};
for(const table of document.querySelectorAll('table.sortable')){
  const heads=[...table.tHead.rows[0].cells];
  const sort=i=>{
    const up=heads[i].getAttribute('aria-sort')!=='ascending';
    heads.forEach(h=>h.removeAttribute('aria-sort'));
    heads[i].setAttribute('aria-sort',up?'ascending':'descending');
    const key=row=>{const c=row.cells[i];return c.dataset.v!==undefined?+c.dataset.v:c.classList.contains('n')?NaN:c.textContent.toLowerCase();};
    const rows=[...table.tBodies[0].rows].map(row=>[key(row),row]);
    rows.sort(([a],[b])=>{
      const x=typeof a==='number'&&isNaN(a),y=typeof b==='number'&&isNaN(b);
      if(x||y)return x-y;
      return (typeof a==='string'?a.localeCompare(b,'en',{numeric:true}):a-b)*(up?1:-1);
    });
    for(const [,row] of rows)table.tBodies[0].append(row);
  };
  heads.forEach((h,i)=>{h.tabIndex=0;h.onclick=()=>sort(i);h.onkeydown=e=>{if(e.key==='Enter'||e.key===' '){e.preventDefault();sort(i);}};});
}
for(const tabs of document.querySelectorAll('.tabs[data-tabs]')){
  const buttons=[...tabs.querySelectorAll('button')];
  const show=b=>buttons.forEach(o=>{
    o.setAttribute('aria-pressed',o===b);
    document.getElementById(o.dataset.for).hidden=o!==b;
  });
  buttons.forEach(b=>b.onclick=()=>show(b));
  show(buttons[0]);
}
const data=document.getElementById('text-data');
if(data){
  const models=JSON.parse(data.textContent),pick=document.getElementById('view-model'),view=document.getElementById('view');
  const worst=document.getElementById('worst'),tip=document.createElement('div');
  tip.id='tip';document.body.append(tip);
  const el=(tag,cls,text)=>{const e=document.createElement(tag);if(cls)e.className=cls;if(text!==undefined)e.textContent=text;return e;};
  const visible=t=>t.replace(/\n/g,'↵').replace(/\t/g,'→').replace(/ /g,'␣');
  const number=x=>x===null?'-':x>=.001||x===0?x.toFixed(4):x.toExponential(1);
  const shade=k=>k===null?0:Math.round(85*Math.min(1,Math.max(0,(Math.log10(Math.max(k,1e-9))+3)/3.5)));
  const list=(title,tokens,actual)=>{
    const col=el('div');col.append(el('b','',title));
    for(const [text,p] of tokens){
      const line=el('div','p'+(text===actual?' hit':''));
      line.append(el('span','',visible(text)),el('span','',(100*p).toFixed(p<.01?2:1)+'%'));col.append(line);
    }
    return col;
  };
  const hide=()=>{tip.style.display='none';};
  const show=(span,token,model)=>{
    tip.replaceChildren(el('div','',visible(token[0])+'   KLD '+number(token[1])));
    const cols=el('div','cols');
    cols.append(list(model.reference,token[2],token[0]),list(model.label,token[3],token[0]));tip.append(cols);
    tip.style.display='block';
    const r=span.getBoundingClientRect(),w=tip.offsetWidth,h=tip.offsetHeight;
    tip.style.left=Math.max(8,Math.min(r.left,innerWidth-w-8))+'px';
    tip.style.top=(r.bottom+h+10<innerHeight?r.bottom+6:Math.max(8,r.top-h-6))+'px';
  };
  const draw=()=>{
    const model=models[pick.value];
    view.hidden=!model.view.length;
    view.replaceChildren(...model.view.map(token=>{
      const span=el('span','tok',token[0].replace(/\n/g,'↵\n'));
      span.style.setProperty('--w',shade(token[1])+'%');span.tabIndex=0;
      span.onmouseenter=span.onfocus=span.onclick=()=>show(span,token,model);span.onmouseleave=span.onblur=hide;
      return span;
    }));
    worst.replaceChildren(...model.worst.map(w=>{
      const row=el('tr'),text=el('td','ctx');
      row.append(el('td','n',number(w[0])),el('td','n',w[1]),el('td','n',w[2]));
      text.append(w[3],el('mark','',w[4]),w[5]);row.append(text);return row;
    }));
  };
  pick.onchange=draw;addEventListener('scroll',hide,true);draw();
  addEventListener('click',e=>{if(!e.target.closest('.tok'))hide();});  // a finger leaves nothing
}
)js";

}  // namespace assay
