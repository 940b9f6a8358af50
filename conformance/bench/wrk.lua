-- Prints what wrk counted as a line of JSON. What it asks for is said by the environment:
-- nothing       GET of the URL
-- WRK_PATHS     names a file with a path in each line; they are asked for one after the other, each with a new number at
--               its end, so that no answer can be one that was kept
-- WRK_MANIFEST  names the file of a manifest; it is pushed to WRK_REPOSITORY again and again, with its number in the place
--               of the zeros in it and as a tag, behind WRK_TAG
-- WRK_BLOB      names the file of a blob without its end, WRK_ENDS one with an end and the digest in each line; they are
--               pushed to WRK_REPOSITORY: a request opens a session, another one ends a session with all bytes
local function read(name)
  local file = assert(io.open(os.getenv(name), 'rb'))
  local bytes = file:read('*a')
  file:close()
  return bytes
end

-- Those of the command line would be left out where others are given.
local function with(field, value)
  local headers = { [field] = value }
  for name, other in pairs(wrk.headers) do headers[name] = other end
  return headers
end

local repository = '/v2/' .. (os.getenv('WRK_REPOSITORY') or '')
local count = 0

if os.getenv('WRK_PATHS') then
  local paths = {}
  for path in io.lines(os.getenv('WRK_PATHS')) do paths[#paths + 1] = path end
  function request()
    count = count + 1
    return wrk.format(nil, paths[count % #paths + 1] .. count)
  end
elseif os.getenv('WRK_MANIFEST') then
  local manifest = read('WRK_MANIFEST')
  local tags = repository .. '/manifests/' .. os.getenv('WRK_TAG')
  local headers = with('Content-Type', 'application/vnd.oci.image.manifest.v1+json')
  function request()
    count = count + 1
    local body = manifest:gsub('0000000000', string.format('%010d', count), 1)
    return wrk.format('PUT', tags .. count, headers, body)
  end
elseif os.getenv('WRK_BLOB') then
  local beginning, ends, sessions = read('WRK_BLOB'), {}, {}
  for last, digest in read('WRK_ENDS'):gmatch('(%S+) (%S+)\n') do ends[#ends + 1] = { last, digest } end
  local empty = with('Content-Length', '0')
  local headers = with('Content-Type', 'application/octet-stream')
  function request()
    local session = table.remove(sessions)
    if not session then return wrk.format('POST', repository .. '/blobs/uploads/', empty) end
    count = count + 1
    local last, digest = unpack((assert(ends[count], 'there are no more blobs to push')))
    local path = session .. (session:find('?', 1, true) and '&' or '?') .. 'digest=' .. digest
    return wrk.format('PUT', path, headers, beginning .. last)
  end
  function response(status, fields)
    if status == 202 then sessions[#sessions + 1] = fields.Location:gsub('^%w+://[^/]+', '') end
  end
end

function done(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('\n{"requests":%d,"bytes":%.0f,"seconds":%.6f,"failed":%d}\n',
    summary.requests, summary.bytes, summary.duration / 1e6, failed))
end
